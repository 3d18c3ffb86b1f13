/* The statements of sql.h. */
#include "store/sql.h"

/* A recipient that waits; queue_read.c reads the columns in this order. */
#define QUEUE_ITEM \
    "message, number, recipient, final_local, final_domain, original_local, original_domain, orcpt, notify, " \
    "forwarded, held, warned, next_hop, not_before, due, expires, attempts, last_reply, priority, from_local, " \
    "from_domain FROM queue_recipient LEFT JOIN queue_message ON id = message "

/* A mailbox as mailboxes_read.c reads it. */
#define TREE_COLUMNS \
    "id, account, parent, name, purpose, uid_validity, uid_next, highest_modseq, messages, unseen, deleted, octets"

const char *const sql_text[SQL_ALL] = {
    [SQL_SETTING] = "SELECT value FROM setting WHERE name = $1",
    [SQL_SETTING_PUT] =
        "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",

    [SQL_PACKS] = "SELECT id, size, sealed FROM pack ORDER BY id",
    [SQL_PACK_PUT] = "INSERT INTO pack (id, size, sealed) VALUES ($1, $2, $3) "
                     "ON CONFLICT (id) DO UPDATE SET size = CASE WHEN excluded.size > pack.size THEN excluded.size "
                     "ELSE pack.size END, sealed = excluded.sealed",
    [SQL_PACK_STATE] = "SELECT sealed FROM pack WHERE id = $1",

    [SQL_TRACE_LAST] =
        "SELECT seq, chain, pack, pack_size, last_id FROM trace WHERE node = $1 ORDER BY seq DESC LIMIT 1",
    [SQL_TRACE_INSERT] =
        "INSERT INTO trace (node, seq, session, message, pack, pack_size, last_id, salt, digest, chain, payload) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    [SQL_TRACE_PAGE] = "SELECT seq, payload FROM trace WHERE node = $1 AND seq > $2 ORDER BY seq LIMIT $3",
    [SQL_TRACE_OF_MESSAGE] =
        "SELECT seq, payload FROM trace WHERE message = $1 AND message <> 0 AND node = $2 AND seq > $3 "
        "ORDER BY seq LIMIT $4",
    [SQL_TRACE_CHECK] =
        "SELECT seq, salt, digest, chain, payload FROM trace WHERE node = $1 AND seq > $2 ORDER BY seq LIMIT $3",
    [SQL_TRACE_BACK] =
        "SELECT seq, payload FROM trace WHERE node = $1 AND seq < $2 AND seq > $3 ORDER BY seq DESC LIMIT $4",
    [SQL_TRACE_FORGET] = "DELETE FROM trace WHERE node = $1 AND seq <= $2",
    [SQL_TRACE_SEGMENT_LAST] =
        "SELECT COALESCE(MAX(last_seq), 0) FROM trace_segment WHERE node = $1 AND bucket = 0",
    [SQL_TRACE_SEGMENT_INSERT] =
        "INSERT INTO trace_segment (node, bucket, last_seq, first_seq, packed) VALUES ($1, $2, $3, $4, $5)",
    [SQL_TRACE_SEGMENTS] =
        "SELECT last_seq, first_seq, packed FROM trace_segment WHERE node = $1 AND bucket = $2 AND first_seq < $3 "
        "ORDER BY last_seq DESC LIMIT $4",
    [SQL_TRACE_SEGMENTS_FORGET] = "DELETE FROM trace_segment WHERE node = $1 AND bucket = $2 AND last_seq <= $3",

    [SQL_COUNT_LETTERS] = "SELECT CAST(COALESCE(SUM(used_count), 0) AS BIGINT) FROM principal WHERE removed_at = 0",
    [SQL_COUNT_QUEUE] = "SELECT COUNT(*) FROM queue_recipient",

    /* ---- the directory ---- */

    [SQL_DOMAINS] = "SELECT id, name, alias_of, catch_all_local, catch_all_domain FROM domain ORDER BY id",
    [SQL_ACCOUNTS] =
        "SELECT id, name, disabled, quota, used_bytes, inbox, quota_count, used_count, kept_bytes, kept_count "
        "FROM principal WHERE kind = 1 AND removed_at = 0 ORDER BY id",
    [SQL_ADDRESSES] = "SELECT a.id, a.local_key, a.local_shown, d.name, a.kind, a.principal, a.may_send "
                      "FROM address a JOIN domain d ON d.id = a.domain ORDER BY a.id",
    [SQL_TARGETS] = "SELECT address, local_key, domain_key, local_shown, domain_shown FROM alias_target "
                    "ORDER BY address, domain_key, local_key",
    [SQL_CREDENTIALS] = "SELECT id, principal, data, scram, created_at FROM credential ORDER BY principal, id",
    [SQL_GRANTS] = "SELECT principal, local_key, domain_key FROM send_grant ORDER BY principal, domain_key, local_key",
    [SQL_SUBMISSIONS] = "SELECT account, hour_ends, hour, day_ends, day FROM submission ORDER BY account",

    [SQL_DOMAIN_INSERT] = "INSERT INTO domain (id, tenant, name, alias_of, catch_all_local, catch_all_domain) "
                          "VALUES ($1, 1, $2, $3, '', '')",
    [SQL_DOMAIN_DELETE] = "DELETE FROM domain WHERE id = $1",
    [SQL_DOMAIN_CATCH_ALL] = "UPDATE domain SET catch_all_local = $1, catch_all_domain = $2 WHERE id = $3",

    [SQL_ACCOUNT_INSERT] =
        "INSERT INTO principal (id, tenant, kind, name, disabled, removed_at, created_at, quota, quota_count, "
        "used_bytes, used_count, modseq, uid_validity, inbox) "
        "VALUES ($1, 1, 1, $2, 0, 0, $3, $4, $5, 0, 0, $6, $7, $8)",
    [SQL_ACCOUNT_CHANGE] =
        "UPDATE principal SET disabled = $1, quota = $2, quota_count = $3, name = $4 WHERE id = $5",
    [SQL_ACCOUNT_REMOVE] = "UPDATE principal SET removed_at = $1 WHERE id = $2",
    [SQL_ADDRESS_INSERT] = "INSERT INTO address (id, domain, local_key, local_shown, kind, principal, may_send) "
                           "VALUES ($1, $2, $3, $4, $5, $6, $7)",
    [SQL_ADDRESS_MAY_SEND] = "UPDATE address SET may_send = $1 WHERE id = $2",
    [SQL_ADDRESS_DELETE] = "DELETE FROM address WHERE id = $1",
    [SQL_ADDRESSES_DELETE] = "DELETE FROM address WHERE kind = 1 AND principal = $1",
    [SQL_TARGET_PUT] = "INSERT INTO alias_target (address, domain_key, local_key, domain_shown, local_shown) "
                       "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (address, domain_key, local_key) DO NOTHING",
    [SQL_TARGET_DELETE] = "DELETE FROM alias_target WHERE address = $1 AND domain_key = $2 AND local_key = $3",
    [SQL_TARGETS_DELETE] = "DELETE FROM alias_target WHERE address = $1",
    [SQL_CREDENTIAL_INSERT] =
        "INSERT INTO credential (id, principal, kind, data, scram, name, scopes, created_at, last_used_at, "
        "expires_at) VALUES ($1, $2, 1, $3, $4, $5, '', $6, 0, 0)",
    [SQL_PASSWORD_DELETE] = "DELETE FROM credential WHERE principal = $1 AND kind = 1",
    [SQL_CREDENTIALS_DELETE] = "DELETE FROM credential WHERE principal = $1",
    [SQL_GRANT_INSERT] = "INSERT INTO send_grant (principal, domain_key, local_key) VALUES ($1, $2, $3)",
    [SQL_GRANT_DELETE] = "DELETE FROM send_grant WHERE principal = $1 AND domain_key = $2 AND local_key = $3",
    [SQL_GRANTS_DELETE] = "DELETE FROM send_grant WHERE principal = $1",
    [SQL_GRANTS_OF_DOMAIN_DELETE] = "DELETE FROM send_grant WHERE domain_key = $1",
    [SQL_ACLS_DELETE] = "DELETE FROM acl WHERE principal = $1",
    [SQL_SUBMISSION_PUT] =
        "INSERT INTO submission (account, hour_ends, hour, day_ends, day) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (account) DO UPDATE SET hour_ends = excluded.hour_ends, hour = excluded.hour, "
        "day_ends = excluded.day_ends, day = excluded.day",
    [SQL_SUBMISSION_DELETE] = "DELETE FROM submission WHERE account = $1",

    [SQL_ROUTES] = "SELECT by_sender, name, target, tls, login, password, accept FROM route ORDER BY by_sender, name",
    [SQL_ROUTE_PUT] =
        "INSERT INTO route (by_sender, name, target, tls, login, password, accept) VALUES ($1, $2, $3, $4, $5, $6, $7) "
        "ON CONFLICT (by_sender, name) DO UPDATE SET target = excluded.target, tls = excluded.tls, "
        "login = excluded.login, password = excluded.password, accept = excluded.accept",
    [SQL_ROUTE_DELETE] = "DELETE FROM route WHERE by_sender = $1 AND name = $2",
    [SQL_DESTINATIONS] = "SELECT name, suspended, per_hour FROM destination ORDER BY name",
    [SQL_DESTINATION_PUT] = "INSERT INTO destination (name, suspended, per_hour) VALUES ($1, $2, $3) "
                            "ON CONFLICT (name) DO UPDATE SET suspended = excluded.suspended, "
                            "per_hour = excluded.per_hour",
    [SQL_DESTINATION_DELETE] = "DELETE FROM destination WHERE name = $1",

    /* ---- mailboxes ---- */

    [SQL_MAILBOX_INSERT] =
        "INSERT INTO mailbox (id, account, parent, name, purpose, uid_validity, created_modseq, deleted_at, "
        "uid_next, highest_modseq, messages, unseen, octets, tail) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 1, $8, 0, 0, 0, $9)",
    [SQL_MAILBOX_FIND] = "SELECT id FROM mailbox WHERE account = $1 AND parent = $2 AND name = $3 AND deleted_at = 0",
    [SQL_MAILBOX_LOAD] =
        "SELECT account, uid_next, highest_modseq, messages, unseen, octets, deleted, recent_uid, uid_validity, tail "
        "FROM mailbox WHERE id = $1 AND deleted_at = 0 AND level = 0",
    [SQL_MAILBOX_SAVE] =
        "UPDATE mailbox SET uid_next = $1, highest_modseq = $2, messages = $3, unseen = $4, octets = $5, "
        "deleted = $6, recent_uid = $7, tail = $8 WHERE id = $9",
    [SQL_MAILBOXES_REMOVE] = "UPDATE mailbox SET deleted_at = $1 WHERE account = $2 AND deleted_at = 0",
    [SQL_MAILBOXES] =
        "SELECT id, account, parent, name, purpose, uid_validity, uid_next, highest_modseq, messages, unseen, octets "
        "FROM mailbox WHERE account = $1 AND deleted_at = 0 AND level = 0 ORDER BY id",
    [SQL_MAILBOX_BY_USE] =
        "SELECT id, account, parent, name, purpose, uid_validity, uid_next, highest_modseq, messages, unseen, octets "
        "FROM mailbox WHERE account = $1 AND purpose = $2 AND deleted_at = 0 ORDER BY id LIMIT 1",
    [SQL_MAILBOX_TAIL] = "SELECT uid_next, tail FROM mailbox WHERE id = $1 AND deleted_at = 0",
    [SQL_MAILBOX_OWNER] = "SELECT account FROM mailbox WHERE id = $1 AND deleted_at = 0 AND level = 0",
    [SQL_ACL_RIGHTS] = "SELECT rights FROM acl WHERE mailbox = $1 AND principal IN ($2, $3)",
    [SQL_PRINCIPAL_IS_ACTIVE] = "SELECT 1 FROM principal WHERE id = $1 AND disabled = 0 AND removed_at = 0",

    /* the tree */
    [SQL_MAILBOX_ROW] =
        "SELECT account, parent, name, purpose, uid_next, deleted_at, level FROM mailbox WHERE id = $1",
    [SQL_MAILBOXES_COUNT] = "SELECT COUNT(*) FROM mailbox WHERE account = $1 AND deleted_at = 0",
    [SQL_MAILBOX_ID_BY_USE] =
        "SELECT id FROM mailbox WHERE account = $1 AND purpose = $2 AND deleted_at = 0 ORDER BY id LIMIT 1",
    [SQL_MAILBOX_LAST_DELETED] =
        "SELECT COALESCE(MAX(deleted_at), 0) FROM mailbox WHERE account = $1 AND parent = $2 AND name = $3",
    [SQL_MAILBOX_MARK_DELETED] = "UPDATE mailbox SET deleted_at = $1 WHERE id = $2",
    [SQL_MAILBOX_HAS_CHILD] = "SELECT id FROM mailbox WHERE account = $1 AND parent = $2 AND deleted_at = 0 LIMIT 1",
    [SQL_MAILBOX_CHILDREN] = "SELECT id FROM mailbox WHERE account = $1 AND parent = $2 AND deleted_at = 0",
    [SQL_MAILBOX_SET_LEVEL] = "UPDATE mailbox SET level = $1 WHERE id = $2",
    [SQL_MAILBOX_ADOPT] = "UPDATE mailbox SET parent = $1 WHERE account = $2 AND parent = $3 AND deleted_at = 0",
    [SQL_MAILBOX_RENAME] = "UPDATE mailbox SET parent = $1, name = $2 WHERE id = $3",
    [SQL_MAILBOX_SET_USE] = "UPDATE mailbox SET purpose = $1 WHERE id = $2",
    [SQL_MAILBOX_TREE] = "SELECT " TREE_COLUMNS ", level FROM mailbox WHERE account = $1 AND deleted_at = 0",
    [SQL_MAILBOX_ONE] = "SELECT " TREE_COLUMNS " FROM mailbox WHERE id = $1 AND deleted_at = 0 AND level = 0",
    [SQL_MAILBOXES_DELETED] = "SELECT id, deleted_at, uid_next, tail FROM mailbox "
                              "WHERE account = $1 AND deleted_at >= $2 ORDER BY deleted_at DESC",
    [SQL_MAILBOX_TAILS] = "SELECT id, uid_next, tail FROM mailbox WHERE account = $1 AND deleted_at = 0",
    [SQL_MAILBOX_DELETED_TAIL] = "SELECT uid_next, tail, messages FROM mailbox WHERE id = $1 AND deleted_at <> 0",
    [SQL_MAILBOX_COUNTS_LESS] = "UPDATE mailbox SET messages = messages - $1, octets = octets - $2 WHERE id = $3",
    [SQL_MAILBOX_TAIL_PUT] = "UPDATE mailbox SET tail = $1 WHERE id = $2",

    [SQL_ACL] = "SELECT principal, rights FROM acl WHERE mailbox = $1 ORDER BY principal",
    [SQL_ACL_COUNT] = "SELECT COUNT(*) FROM acl WHERE mailbox = $1",
    [SQL_ACL_PUT] = "INSERT INTO acl (mailbox, principal, rights) VALUES ($1, $2, $3) "
                    "ON CONFLICT (mailbox, principal) DO UPDATE SET rights = excluded.rights",
    [SQL_ACL_DELETE] = "DELETE FROM acl WHERE mailbox = $1 AND principal = $2",
    [SQL_ACL_INHERIT] = "INSERT INTO acl (mailbox, principal, rights) "
                        "SELECT CAST($1 AS BIGINT), principal, rights FROM acl WHERE mailbox = $2",
    [SQL_ACLS_OF_ACCOUNT] = "SELECT a.mailbox, a.rights FROM mailbox m JOIN acl a ON a.mailbox = m.id "
                            "WHERE m.account = $1 AND m.deleted_at = 0 AND a.principal IN ($2, $3)",
    [SQL_ACLS_OF_PRINCIPAL] = "SELECT m.account, a.rights FROM acl a JOIN mailbox m ON m.id = a.mailbox "
                              "WHERE a.principal IN ($1, $2) AND m.deleted_at = 0 ORDER BY m.account",

    [SQL_SUBSCRIPTIONS] = "SELECT name FROM subscription WHERE account = $1 ORDER BY name",
    [SQL_SUBSCRIPTIONS_COUNT] = "SELECT COUNT(*) FROM subscription WHERE account = $1",
    [SQL_SUBSCRIPTION_PUT] =
        "INSERT INTO subscription (account, name) VALUES ($1, $2) ON CONFLICT (account, name) DO NOTHING",
    [SQL_SUBSCRIPTION_DELETE] = "DELETE FROM subscription WHERE account = $1 AND name = $2",
    [SQL_SUBSCRIPTIONS_DELETE] = "DELETE FROM subscription WHERE account = $1",

    [SQL_METADATA] = "SELECT name, value FROM metadata WHERE mailbox = $1 AND owner IN (0, $2) ORDER BY name",
    [SQL_METADATA_COUNT] = "SELECT COUNT(*) FROM metadata WHERE mailbox = $1 AND owner IN (0, $2)",
    [SQL_METADATA_PUT] = "INSERT INTO metadata (mailbox, owner, name, value) VALUES ($1, $2, $3, $4) "
                         "ON CONFLICT (mailbox, owner, name) DO UPDATE SET value = excluded.value",
    [SQL_METADATA_DELETE] = "DELETE FROM metadata WHERE mailbox = $1 AND owner = $2 AND name = $3",
    [SQL_MAILBOX_METADATA_COPY] = "INSERT INTO metadata (mailbox, owner, name, value) "
                                  "SELECT CAST($1 AS BIGINT), owner, name, value FROM metadata WHERE mailbox = $2",
    [SQL_METADATA_OF_OWNER_DELETE] = "DELETE FROM metadata WHERE owner = $1",
    [SQL_ACCOUNT_USES] =
        "SELECT used_bytes, used_count, quota, quota_count, kept_bytes, kept_count FROM principal "
        "WHERE id = $1 AND removed_at = 0",

    /* what was expunged, the newest first */
    [SQL_TOMBSTONES_BACK] = "SELECT modseq, object, part, at, packed, kept FROM tombstone "
                            "WHERE account = $1 AND kind = 1 AND at >= $2 ORDER BY modseq DESC, object DESC, part DESC",
    [SQL_TOMBSTONE_PUT] = "UPDATE tombstone SET packed = $1 "
                          "WHERE account = $2 AND modseq = $3 AND kind = 1 AND object = $4 AND part = $5",
    [SQL_LETTER_LOST] = "SELECT e.size, e.received_at, b.envelope FROM email e JOIN body b ON b.id = e.body "
                        "WHERE e.id = $1 AND e.account = $2",

    [SQL_ACCOUNT_LOAD] =
        "SELECT modseq, used_bytes, used_count, uid_validity, inbox, kept_bytes, kept_count FROM principal "
        "WHERE id = $1 AND removed_at = 0",
    [SQL_ACCOUNT_SAVE] =
        "UPDATE principal SET modseq = $1, used_bytes = $2, used_count = $3, uid_validity = $4, kept_bytes = $5, "
        "kept_count = $6 WHERE id = $7",

    [SQL_CHUNK_LOAD] = "SELECT packed FROM entries WHERE mailbox = $1 AND chunk = $2",
    [SQL_CHUNK_SAVE] = "INSERT INTO entries (mailbox, chunk, modseq, packed) VALUES ($1, $2, $3, $4) "
                       "ON CONFLICT (mailbox, chunk) DO UPDATE SET modseq = excluded.modseq, packed = excluded.packed",
    [SQL_CHUNK_DELETE] = "DELETE FROM entries WHERE mailbox = $1 AND chunk = $2",
    [SQL_CHUNKS] = "SELECT chunk, packed FROM entries WHERE mailbox = $1 AND chunk >= $2 ORDER BY chunk",
    [SQL_TOMBSTONE_INSERT] =
        "INSERT INTO tombstone (account, modseq, kind, object, part, at, kept, packed) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",

    [SQL_VANISHED_SINCE] =
        "SELECT account, uid_next, forgotten_modseq, tail FROM mailbox WHERE id = $1 AND deleted_at = 0",
    [SQL_VANISHED] = "SELECT packed, kept FROM tombstone WHERE account = $1 AND modseq > $2 AND kind = 1 "
                     "AND object = $3 ORDER BY modseq, part",
    [SQL_ARRIVAL_INSERT] = "INSERT INTO arrival (mailbox, last_uid, first_uid, at) VALUES ($1, $2, $3, $4)",
    [SQL_ARRIVALS] =
        "SELECT last_uid, first_uid, at FROM arrival WHERE mailbox = $1 AND last_uid >= $2 ORDER BY last_uid",
    [SQL_KEYWORDS] = "SELECT bit, name FROM keyword WHERE mailbox = $1 ORDER BY bit",
    [SQL_KEYWORD_DELETE] = "DELETE FROM keyword WHERE mailbox = $1 AND bit = $2",
    [SQL_TOMBSTONES_KEPT] = "SELECT modseq, part, packed FROM tombstone "
                            "WHERE account = $1 AND kind = 1 AND object = $2 AND kept = 1 ORDER BY modseq",
    [SQL_KEYWORD_INSERT] = "INSERT INTO keyword (mailbox, bit, name) VALUES ($1, $2, $3)",

    /* ---- letters ---- */

    [SQL_BODY_IS_THERE] = "SELECT 1 FROM body WHERE id = $1",
    [SQL_BODY_INSERT] =
        "INSERT INTO body (id, sha256, size, location, key_id, derived_version, sent_at, has_attachment, envelope, "
        "structure, preview) VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10)",
    [SQL_EMAIL_INSERT] =
        "INSERT INTO email (id, account, thread, body, size, received_at, saved_at, created_modseq, prefixes) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    [SQL_EMAIL_COPY] =
        "INSERT INTO email (id, account, thread, body, size, received_at, saved_at, created_modseq, prefixes) "
        "SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), body, size, received_at, "
        "CAST($4 AS BIGINT), CAST($5 AS BIGINT), prefixes FROM email WHERE id = $6",
    [SQL_EMAIL_SIZE] = "SELECT size FROM email WHERE id = $1",
    [SQL_EMAILS_FROM] = "SELECT id, size, received_at, saved_at FROM email WHERE id >= $1 ORDER BY id",
    [SQL_EMAIL_SHARED_PUT] =
        "INSERT INTO email_shared (email, more) VALUES ($1, 1) "
        "ON CONFLICT (email) DO UPDATE SET more = email_shared.more + 1",
    [SQL_EMAIL_SHARED_TAKE] = "UPDATE email_shared SET more = more - 1 WHERE email = $1",
    [SQL_EMAIL_SHARED_FORGET] = "DELETE FROM email_shared WHERE email = $1 AND more = 0",
    [SQL_LETTER] =
        "SELECT e.body, e.prefixes, e.size, e.received_at, e.saved_at, b.location, b.derived_version, b.envelope, "
        "b.structure, b.preview, e.thread FROM email e JOIN body b ON b.id = e.body WHERE e.id = $1 AND e.account = $2",
    [SQL_THREAD] = "SELECT thread FROM thread_ref WHERE account = $1 AND hash = $2",
    [SQL_THREAD_PUT] =
        "INSERT INTO thread_ref (account, hash, thread) VALUES ($1, $2, $3) ON CONFLICT (account, hash) DO NOTHING",

    /* ---- letters that wait ---- */

    [SQL_QUEUE_MESSAGE_INSERT] =
        "INSERT INTO queue_message (id, body, submitter, authenticated, received_at, size, from_local, from_domain, "
        "envid, ret, needs_8bit, needs_utf8, require_tls, prefix, message_id, subject) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14, $15)",
    [SQL_QUEUE_RECIPIENT_INSERT] =
        "INSERT INTO queue_recipient (message, number, recipient, final_local, final_domain, original_local, "
        "original_domain, orcpt, notify, forwarded, next_hop, not_before, due, expires, attempts, last_reply, "
        "lease_node, lease_until, fence, priority, held, warned) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15, 0, 0, 0, $16, 0, 0)",

    [SQL_QUEUE_DUE] = "SELECT " QUEUE_ITEM
                      "WHERE held = 0 AND (due, message, number) > ($1, $2, $3) AND due <= $4 "
                      "ORDER BY due, message, number LIMIT $5",
    [SQL_QUEUE_DUE_OF_HOP] = "SELECT " QUEUE_ITEM
                             "WHERE held = 0 AND next_hop = $1 AND (due, message, number) > ($2, $3, $4) "
                             "AND due <= $5 ORDER BY due, message, number LIMIT $6",
    [SQL_QUEUE_NEXT_DUE] = "SELECT due FROM queue_recipient WHERE held = 0 AND due > $1 ORDER BY due LIMIT 1",
    [SQL_QUEUE_SCAN] = "SELECT " QUEUE_ITEM "WHERE (message, number) > ($1, $2) "
                       "ORDER BY message, number",
    [SQL_QUEUE_LETTER] =
        "SELECT m.submitter, m.authenticated, m.needs_8bit, m.needs_utf8, m.require_tls, m.received_at, m.from_local, "
        "m.from_domain, m.envid, m.ret, m.message_id, m.subject, m.prefix, m.size, m.body, b.location "
        "FROM queue_message m JOIN body b ON b.id = m.body WHERE m.id = $1",

    [SQL_QUEUE_DELETE] = "DELETE FROM queue_recipient WHERE message = $1 AND number = $2",
    [SQL_QUEUE_MESSAGE_DELETE] =
        "DELETE FROM queue_message WHERE id = $1 AND NOT EXISTS "
        "(SELECT 1 FROM queue_recipient r WHERE r.message = queue_message.id) RETURNING "
        "CASE WHEN EXISTS (SELECT 1 FROM email e WHERE e.body = queue_message.body) THEN 0 ELSE size END",
    [SQL_QUEUE_DEFER] =
        "UPDATE queue_recipient SET due = $1, last_reply = $2, attempts = attempts + 1, "
        "warned = CASE WHEN $3 = 0 THEN warned ELSE 1 END WHERE message = $4 AND number = $5",
    [SQL_QUEUE_POSTPONE] =
        "UPDATE queue_recipient SET due = $1, warned = CASE WHEN $2 = 0 THEN warned ELSE 1 END "
        "WHERE message = $3 AND number = $4",
    [SQL_QUEUE_KEEP_BACK] =
        "UPDATE queue_recipient SET held = 1, last_reply = $1, "
        "warned = CASE WHEN $2 = 0 THEN warned ELSE 1 END WHERE message = $3 AND number = $4",
    [SQL_QUEUE_MOVE] =
        "UPDATE queue_recipient SET next_hop = $1, warned = CASE WHEN $2 = 0 THEN warned ELSE 1 END "
        "WHERE message = $3 AND number = $4",
    [SQL_TRACE_HAS_MESSAGE] = "SELECT 1 FROM trace WHERE message = $1 AND message <> 0 LIMIT 1",

    /* by hand; a letter whose time has not come (RFC 4865) is not hurried, but may be released */
    [SQL_QUEUE_HOLD] = "UPDATE queue_recipient SET held = 1 "
                       "WHERE message = $1 AND number = $2 AND held = 0",
    [SQL_QUEUE_RELEASE] =
        "UPDATE queue_recipient SET held = 0, due = $1, not_before = $2, expires = $3 + expires - "
        "(SELECT CASE WHEN m.received_at > queue_recipient.not_before THEN m.received_at "
        "ELSE queue_recipient.not_before END FROM queue_message m WHERE m.id = queue_recipient.message) "
        "WHERE message = $4 AND number = $5 AND (held <> 0 OR not_before > $6)",
    [SQL_QUEUE_RETRY] = "UPDATE queue_recipient SET due = CASE WHEN not_before > $1 THEN not_before ELSE $2 END "
                        "WHERE message = $3 AND number = $4 AND held = 0",
    [SQL_QUEUE_REROUTE] =
        "UPDATE queue_recipient SET next_hop = $1, due = CASE WHEN not_before > $2 THEN not_before ELSE $3 END "
        "WHERE message = $4 AND number = $5",

    /* ---- what nobody needs any more ---- */

    [SQL_COLLECT_TOMBSTONES] =
        "SELECT account, modseq, object, part, packed, kept FROM tombstone WHERE kind = 1 AND at <= $1 "
        "ORDER BY at LIMIT 1",
    [SQL_TOMBSTONE_DELETE] =
        "DELETE FROM tombstone WHERE account = $1 AND modseq = $2 AND kind = 1 AND object = $3 AND part = $4",
    [SQL_EMAIL_DELETE] = "DELETE FROM email WHERE id = $1",
    [SQL_COLLECT_ACCOUNT] =
        "SELECT id FROM principal WHERE kind = 1 AND removed_at <> 0 AND removed_at <= $1 AND inbox <> 0 "
        "ORDER BY removed_at, id LIMIT 1",
    [SQL_COLLECT_MAILBOX] =
        "SELECT id, uid_next, tail FROM mailbox WHERE account = $1 ORDER BY parent, name, deleted_at LIMIT 1",
    [SQL_COLLECT_DELETED] =
        "SELECT id, uid_next, tail, account, messages, octets FROM mailbox WHERE deleted_at <> 0 AND deleted_at <= $1 "
        "ORDER BY deleted_at, id LIMIT 1",
    /* 0: nothing is kept */
    [SQL_COLLECT_NEXT] = "SELECT CAST(COALESCE(MIN(at), 0) AS BIGINT) FROM (SELECT MIN(at) AS at FROM tombstone "
                         "WHERE kind = 1 UNION ALL SELECT MIN(deleted_at) AS at FROM mailbox WHERE deleted_at <> 0) k",
    [SQL_MAILBOX_FORGETS] = "UPDATE mailbox SET forgotten_modseq = $1 WHERE id = $2 AND forgotten_modseq < $3",
    [SQL_MAILBOX_ARRIVALS_DELETE] = "DELETE FROM arrival WHERE mailbox = $1",
    [SQL_MAILBOX_METADATA_DELETE] = "DELETE FROM metadata WHERE mailbox = $1",
    [SQL_MAILBOX_KEYWORDS_DELETE] = "DELETE FROM keyword WHERE mailbox = $1",
    [SQL_MAILBOX_ACLS_DELETE] = "DELETE FROM acl WHERE mailbox = $1",
    [SQL_MAILBOX_DELETE] = "DELETE FROM mailbox WHERE id = $1",
    [SQL_THREADS_DELETE] = "DELETE FROM thread_ref WHERE account = $1 AND hash IN "
                           "(SELECT hash FROM thread_ref WHERE account = $2 ORDER BY hash LIMIT $3)",
    [SQL_ACCOUNT_COLLECTED] = "UPDATE principal SET inbox = 0, name = $1 WHERE id = $2",
    [SQL_COLLECT_BODIES] =
        "SELECT b.id, b.location, CASE WHEN EXISTS (SELECT 1 FROM email e WHERE e.body = b.id) "
        "OR EXISTS (SELECT 1 FROM queue_message m WHERE m.body = b.id) THEN 1 ELSE 0 END "
        "FROM body b WHERE b.id > $1 ORDER BY b.id LIMIT $2",
    [SQL_BODY_DELETE] = "DELETE FROM body WHERE id = $1",
    [SQL_BODY_PLACE] = "SELECT location FROM body WHERE id = $1",
    [SQL_BODY_MOVE] = "UPDATE body SET location = $1 WHERE id = $2",
    [SQL_PACK_DEAD] = "UPDATE pack SET sealed = 2 WHERE id = $1",
    /* the record's last row may still name one: that row stays */
    [SQL_PACKS_FORGET] = "DELETE FROM pack WHERE sealed = 2 AND id <> "
                         "COALESCE((SELECT pack FROM trace WHERE node = $1 ORDER BY seq DESC LIMIT 1), 0)",

    /* ---- verify: pages by key ---- */

    [SQL_CHECK_MAILBOXES] =
        "SELECT id, uid_next, messages, unseen, octets, tail, deleted_at, deleted FROM mailbox WHERE account = $1 "
        "ORDER BY id",
    [SQL_CHECK_TOMBSTONES] =
        "SELECT packed, kept FROM tombstone WHERE account = $1 AND kind = 1 ORDER BY modseq, object, part",
    [SQL_CHECK_ACCOUNTS] = "SELECT id FROM principal WHERE kind = 1 AND removed_at = 0 AND id > $1 ORDER BY id LIMIT 1",
    [SQL_CHECK_ACCOUNT_SUMS] =
        "SELECT used_bytes, used_count, modseq, kept_bytes, kept_count FROM principal WHERE id = $1",
    [SQL_CHECK_BODIES] = "SELECT id, sha256, size, location FROM body WHERE id > $1 ORDER BY id LIMIT $2",
    [SQL_CHECK_QUEUE] =
        "SELECT m.id, m.size, length(m.prefix) + b.size, CASE WHEN EXISTS "
        "(SELECT 1 FROM queue_recipient r WHERE r.message = m.id) THEN 1 ELSE 0 END "
        "FROM queue_message m JOIN body b ON b.id = m.body WHERE m.id > $1 ORDER BY m.id LIMIT $2",

    /* ---- searching ---- */

    [SQL_SEARCH_LETTER] =
        "SELECT e.body, e.prefixes, e.thread, b.sent_at, b.envelope, b.location, b.structure FROM email e "
        "JOIN body b ON b.id = e.body WHERE e.id = $1 AND e.account = $2",
    [SQL_SEARCH_NEW] = "SELECT id, account FROM email WHERE id > $1 ORDER BY id LIMIT $2",
    [SQL_SEARCH_ACCOUNT] = "SELECT used_count FROM principal WHERE id = $1 AND removed_at = 0",

    [SQL_INDEX_STATE] = "SELECT seen FROM state WHERE id = 1",
    [SQL_INDEX_STATE_PUT] =
        "INSERT INTO state (id, seen) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen",
    [SQL_INDEX_SEGMENTS] = "SELECT last, packed FROM segment WHERE account = $1 AND last > $2 ORDER BY last",
    [SQL_INDEX_SEGMENT_PUT] = "INSERT INTO segment (account, last, letters, packed) VALUES ($1, $2, $3, $4)",
    [SQL_INDEX_POSTINGS] = "SELECT packed FROM posting WHERE account = $1 AND last = $2 AND bucket = $3",
    [SQL_INDEX_POSTINGS_PUT] = "INSERT INTO posting (account, last, bucket, packed) VALUES ($1, $2, $3, $4)",
    [SQL_INDEX_PENDING] = "SELECT packed FROM pending WHERE account = $1",
    [SQL_INDEX_PENDING_PUT] =
        "INSERT INTO pending (account, letters, packed) VALUES ($1, $2, $3) ON CONFLICT (account) DO UPDATE SET "
        "letters = excluded.letters, packed = excluded.packed",
    [SQL_INDEX_PENDING_FULL] = "SELECT account FROM pending WHERE letters >= $1 ORDER BY account LIMIT 1",
    [SQL_INDEX_PENDING_DELETE] = "DELETE FROM pending WHERE account = $1",
    [SQL_INDEX_SIZES] = "SELECT account, SUM(letters) FROM (SELECT account, letters FROM segment WHERE account > $1 "
                        "UNION ALL SELECT account, 0 FROM pending WHERE account > $1) x GROUP BY account "
                        "ORDER BY account LIMIT 1",
    [SQL_INDEX_SEGMENTS_DELETE] = "DELETE FROM segment WHERE account = $1 AND last = $2",
    [SQL_INDEX_POSTINGS_DELETE] = "DELETE FROM posting WHERE account = $1 AND last = $2",
    [SQL_CHECK_EMAIL] = "SELECT e.account, e.size, b.size, COALESCE((SELECT h.more FROM email_shared h "
                        "WHERE h.email = e.id), 0) FROM email e JOIN body b ON b.id = e.body WHERE e.id = $1",
};
