/* Inside maa/imap/: threading as a pure function (RFC 5256), for THREAD. */
#ifndef MAA_IMAP_THREAD_H
#define MAA_IMAP_THREAD_H

#include "base/hash.h"
#include "maa/imap/search.h"

struct imap_thread_letter {
    uint32_t number; /* told to the client */
    utc_us sent;
    struct str subject; /* base subject, in the normal form */
    bool reply;
    uint64_t id;        /* hashes of message ids, 0: none */
    uint64_t *references;
    size_t n_references;
};

struct imap_threading {
    enum imap_thread_algorithm algorithm;
    bool uids;
    struct hash_key key;
    struct arena *arena;
    struct imap_thread_letter *letters; /* in order of the mailbox */
    size_t n;
    struct buf *out; /* "* THREAD (1)(2 3 (4)(5))" and its line end */
};

size_t imap_thread_memory(const struct imap_threading *t); /* bytes that imap_thread() allocates in its arena at most */
/* Any thread; time O(n log n). Depth costs no stack. */
void imap_thread(struct imap_threading *t);

#endif
