/* Letters as other programs keep them in files: mbox (RFC 4155, with the quoting of mboxrd), and what the file names of
 * a Maildir say. Lines end with LF there, with CRLF here. */
#ifndef PROTO_MBOX_MBOX_H
#define PROTO_MBOX_MBOX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/time.h"
#include "mail/flags.h"

enum { MBOX_KEYWORDS_MAX = 32 }; /* of one letter; more are left out */

struct kept_letter { /* a letter with what a mailbox says of it */
    struct str text; /* CRLF */
    utc_us at; /* when it came; 0: not known */
    flag_set flags; /* system flags */
    struct str keywords[MBOX_KEYWORDS_MAX];
    size_t n_keywords;
};

/* Whole mbox in `all`: the letter that begins at *at, as it stands in the file without its From_ line, and *at behind
 * it. False at the end. A From_ line begins the file or follows an empty line, and names a time: an unquoted "From " of
 * a body rarely does. What stands before the first From_ line belongs to nobody: mbox_looks_right(). */
bool mbox_next(struct str all, size_t *at, struct str *from_line, struct str *raw);
bool mbox_looks_right(struct str all); /* empty, or begins with a From_ line */

/* The letter itself into b (a buffer large enough): one '>' off ">From " lines, lines ended by CRLF, the fields with
 * which programs note flags in mboxes (Status, X-Status, X-Keywords, X-UID, X-IMAP, X-IMAPbase) taken out and read.
 * False for the letter with which some programs begin an mbox to keep notes of their own. Strings in `a`. */
bool mbox_letter(struct arena *a, struct buf *b, struct str from_line, struct str raw, struct kept_letter *out);

/* Appends the letter to an mbox, such that mbox_letter() gives back the same. sender: for the From_ line. */
void mbox_put(struct buf *b, struct str sender, const struct kept_letter *l);

/* Any letter's lines with CRLF: what stands alone of LF gets its CR. */
void mbox_put_crlf(struct buf *b, struct str text);

/* "1700000000.M1P2.host,S=12:2,FRSa": the time and flags of a Maildir's file; letters a-z are keywords by number,
 * which `names` gives (Dovecot's dovecot-keywords). flags and keywords are for cur/ alone. */
void maildir_read_name(struct str name, const struct str names[26], struct kept_letter *out);
/* The part from ":2," on. Keywords have no letters: only $Forwarded ("P") has. */
void maildir_put_flags(struct buf *b, const struct kept_letter *l);
struct str maildir_unique(struct str name); /* what stands before the flags */

#endif
