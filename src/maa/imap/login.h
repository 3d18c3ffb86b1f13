/* Inside maa/imap/: what capability.c and login.c know of logging in. */
#ifndef MAA_IMAP_LOGIN_H
#define MAA_IMAP_LOGIN_H

#include "maa/imap/session.h"

/* Is the connection fit for passwords: TLS, or a network the configuration trusts? */
bool imap_may_log_in(const struct imap_session *s);
/* The context for STARTTLS, referenced; NULL when there is none or TLS is on. */
struct tls_context *imap_tls_to_be_had(const struct imap_session *s);

#endif
