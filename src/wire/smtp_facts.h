/* A session's transaction as a noun (mail/transaction.h), for those who record it and write trace fields. */
#ifndef WIRE_SMTP_FACTS_H
#define WIRE_SMTP_FACTS_H

#include "mail/transaction.h"
#include "wire/smtp_server.h"

/* tx may be NULL (nothing but the session is known then). Slices are borrowed from both. */
struct transaction smtp_facts(const struct smtp_session *s, const struct smtp_tx *tx);

#endif
