/* For tests of what is decided from the directory: a small town of domains, accounts and aliases, written in lines.
 *
 *   domain example.org            domain old.example = example.org      catch example.org -> carol@example.org
 *   account bob@example.org       account full@example.org quota 1000 used 2000      account off@example.org disabled
 *   alias team@example.org -> bob@example.org x@elsewhere.example       alias boss@example.org no-send ->
 * bob@example.org grant bob@example.org chief@example.org route elsewhere.example smtp://relay.example:587 user bob tls
 * verify accept      route *.example mx route-of bob@example.org refuse:no (of a sender) */
#ifndef QUEUE_DIRECTORY_FIXTURE_H
#define QUEUE_DIRECTORY_FIXTURE_H

#include <assert.h>

#include "base/arena.h"
#include "mail/address.h"
#include "store/directory_edit.h"

static struct address fixture_key(struct arena *a, struct str text)
{
    struct address typed, key;
    bool right = address_parse(a, text, &typed) == 0 && address_key(a, typed, &key) == 0;
    assert(right);
    return key;
}

static void fixture_domain(struct directory *d, struct arena *a, struct str rest, int64_t id)
{
    struct str name = str_word(&rest), equals = str_word(&rest), target = str_word(&rest), key;
    assert(domain_key(a, name, &key) == 0);
    struct directory_domain domain = {.id = id, .key = key, .shown = name};
    directory_set_domain(d, &domain, equals.n ? target : STR_NONE);
}

static void fixture_catch(struct directory *d, struct arena *a, struct str rest)
{
    struct str name = str_word(&rest), arrow = str_word(&rest), target = str_word(&rest);
    assert(str_eq(arrow, S("->")));
    struct directory_domain domain = *directory_domain(d, name);
    domain.catch_all = fixture_key(a, target);
    directory_set_domain(d, &domain, STR_NONE);
}

static void fixture_account(struct directory *d, struct arena *a, struct str rest, int64_t id)
{
    struct address key = fixture_key(a, str_word(&rest));
    struct directory_account account = {.id = id, .key = key, .shown = key, .inbox = id * 100};
    uint64_t used = 0, letters = 0;
    for (struct str word; (word = str_word(&rest)).n;) {
        uint64_t quota;
        if (str_eq(word, S("disabled"))) account.disabled = true;
        else if (str_eq(word, S("quota")) && str_to_u64(str_word(&rest), INT64_MAX, &quota))
            account.quota_bytes = (int64_t)quota;
        else if (str_eq(word, S("quota-letters")) && str_to_u64(str_word(&rest), INT64_MAX, &quota))
            account.quota_count = (int64_t)quota;
        else if (str_eq(word, S("used"))) str_to_u64(str_word(&rest), INT64_MAX, &used);
        else if (str_eq(word, S("letters"))) str_to_u64(str_word(&rest), INT64_MAX, &letters);
    }
    directory_set_account(d, &account, &key, 1, (int64_t)used, (int64_t)letters);
}

static void fixture_alias(struct directory *d, struct arena *a, struct str rest, int64_t id)
{
    struct address targets[64];
    struct directory_alias alias = {.key = fixture_key(a, str_word(&rest)),
                                    .may_send = true,
                                    .targets = targets,
                                    .targets_shown = targets};
    alias.shown = alias.key;
    struct str word = str_word(&rest);
    if (str_eq(word, S("no-send"))) {
        alias.may_send = false;
        word = str_word(&rest);
    }
    assert(str_eq(word, S("->")));
    while ((word = str_word(&rest)).n && alias.n_targets < 64) targets[alias.n_targets++] = fixture_key(a, word);
    directory_set_alias(d, &alias, id);
}

static void fixture_grant(struct directory *d, struct arena *a, struct str rest)
{
    const struct directory_account *account = directory_account(d, fixture_key(a, str_word(&rest)));
    assert(account);
    struct directory_account changed = *account;
    struct address grants[8];
    assert(account->n_grants < 8);
    for (size_t i = 0; i < account->n_grants; i++) grants[i] = account->grants[i];
    grants[changed.n_grants++] = fixture_key(a, str_word(&rest));
    changed.grants = grants;
    directory_set_account(d, &changed, &account->key, 1, -1, -1);
}

static void fixture_route(struct directory *d, struct str rest, bool by_sender)
{
    struct directory_route route = {.by_sender = by_sender};
    route.key = str_word(&rest);
    route.target = str_word(&rest);
    for (struct str word; (word = str_word(&rest)).n;) {
        if (str_eq(word, S("accept"))) route.accept = true;
        else if (str_eq(word, S("user"))) route.user = route.password = str_word(&rest);
        else if (str_eq(word, S("tls"))) assert(tls_policy_parse(str_word(&rest), &route.tls) == 0);
    }
    directory_set_route(d, &route);
}

static struct directory *directory_fixture(struct arena *a, const char *text)
{
    struct directory *d = directory_new((struct hash_key){{1, 2}});
    struct str rest = str_c(text), line;
    for (int64_t id = 1; rest.n; id++) {
        str_cut(rest, '\n', &line, &rest);
        struct str kind = str_word(&line);
        if (str_eq(kind, S("domain"))) fixture_domain(d, a, line, id);
        else if (str_eq(kind, S("catch"))) fixture_catch(d, a, line);
        else if (str_eq(kind, S("account"))) fixture_account(d, a, line, id);
        else if (str_eq(kind, S("alias"))) fixture_alias(d, a, line, id);
        else if (str_eq(kind, S("grant"))) fixture_grant(d, a, line);
        else if (str_eq(kind, S("route"))) fixture_route(d, line, false);
        else if (str_eq(kind, S("route-of"))) fixture_route(d, line, true);
    }
    return d;
}

#endif
