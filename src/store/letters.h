/* Reading many letters at once: one trip to a thread, for FETCH, POP3, export, search. Part of the store's contract.
 *
 * A letter is its prefix (letter.prefix) and, behind it, its body. The two are given apart, for joining them would copy
 * every letter once more: who writes letters out writes the two pieces. */
#ifndef STORE_LETTERS_H
#define STORE_LETTERS_H

#include "store/store.h"

enum letters_want {
    LETTERS_FACTS = 0,     /* size, received_at, saved_at, thread, prefix: always */
    LETTERS_ENVELOPE = 1,
    LETTERS_STRUCTURE = 2,
    LETTERS_PREVIEW = 4,
    LETTERS_BYTES = 8,     /* the body, if the letter is not longer than `whole`; its checksum has been checked */
    /* the body's first bytes: some thousand, and where `most` allows to the end of its header, or LETTERS_HEADER_MOST
     */
    LETTERS_HEADER = 16,
};
enum { LETTERS_HEADER_MOST = 512 << 10 };

struct letter_read {
    struct letter letter; /* as store_letter(); what was not asked for is none */
    int64_t thread;
    struct str body;      /* of LETTERS_BYTES or LETTERS_HEADER; none when too long: read by store_letter_read() */
    bool nul;             /* there are NULs in what was read of prefix and body */
    int error;            /* 0; ERR_NOT_FOUND: collected meanwhile; ERR_CORRUPT: damaged; ERR_UNAVAILABLE */
};

/* Reads letters emails[0 … n) of the account, as many as 20 ms of work and `most` bytes allow, but at least one: *done
 * of them, in order. Letters that cannot be read say so themselves. All of it lives as long as `a`, to whose budget it
 * is not charged (`most` bounds it). With both BYTES and HEADER a letter too long to be given whole has its header. */
FIBER int store_letters(struct store *s, struct arena *a, int64_t account, const int64_t *emails, size_t n,
                        unsigned want, int64_t whole, int64_t most, struct letter_read **out, size_t *done,
                        struct error *e);

#endif
