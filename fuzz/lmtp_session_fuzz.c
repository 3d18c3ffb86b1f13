/* A whole LMTP session (RFC 2033): as SMTP's. */
#define FUZZED_KIND SMTP_LMTP
#include "smtp_session_fuzz.c"
