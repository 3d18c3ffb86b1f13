/* The readers of single commands' arguments: each takes what stands behind the command's name, blank included, up to
 * where imap_parse() wants the end. Internal to proto/imap. */
#ifndef PROTO_IMAP_PARSE_H
#define PROTO_IMAP_PARSE_H

#include "proto/imap/scan.h"

bool imap_read_select(struct imap_scan *s, struct imap_command *c);
bool imap_read_create(struct imap_scan *s, struct imap_command *c);
bool imap_read_list(struct imap_scan *s, struct imap_command *c);
bool imap_read_lsub(struct imap_scan *s, struct imap_command *c);
bool imap_read_status(struct imap_scan *s, struct imap_command *c);
bool imap_read_fetch(struct imap_scan *s, struct imap_command *c);
bool imap_read_store(struct imap_scan *s, struct imap_command *c);
bool imap_read_search(struct imap_scan *s, struct imap_command *c);
bool imap_read_sort(struct imap_scan *s, struct imap_command *c);
bool imap_read_thread(struct imap_scan *s, struct imap_command *c);
bool imap_read_esearch(struct imap_scan *s, struct imap_command *c);
bool imap_read_notify(struct imap_scan *s, struct imap_command *c);
bool imap_read_acl(struct imap_scan *s, struct imap_command *c);      /* GETACL SETACL DELETEACL LISTRIGHTS MYRIGHTS */
bool imap_read_quota(struct imap_scan *s, struct imap_command *c);    /* GETQUOTA GETQUOTAROOT SETQUOTA */
bool imap_read_metadata(struct imap_scan *s, struct imap_command *c); /* GETMETADATA SETMETADATA */
bool imap_read_id(struct imap_scan *s, struct imap_command *c);

/* Pieces of several commands */
bool imap_read_status_items(struct imap_scan *s, unsigned *items);     /* "(" ... ")" */
bool imap_read_fetch_items(struct imap_scan *s, struct imap_fetch_items *items); /* "(" has been taken */
bool imap_read_filter(struct imap_scan *s, bool of_notify, struct imap_filter *f);
/* entries = entry / "(" entry *(SP entry) ")", with options in parentheses before it (RFC 5464 §5, RFC 9590 §5) */
bool imap_read_entries(struct imap_scan *s, struct imap_metadata_options *options, struct imap_strings *entries);

/* Tag and name of the command, and "UID" before it; *s stands behind the name. */
bool imap_read_verb(struct imap_scan *s, struct imap_command *c);

#endif
