/* Inside proto/smtp: the parameters behind a path of MAIL and RCPT (RFC 5321 §4.1.1.11). */
#ifndef PROTO_SMTP_PARAMETERS_H
#define PROTO_SMTP_PARAMETERS_H

#include "proto/smtp/command.h"

/* Read " KEYWORD=value ..." into the path; rest begins behind the path. */
struct smtp_problem smtp_mail_parameters(struct arena *a, struct str rest, struct reverse_path *from);
struct smtp_problem smtp_rcpt_parameters(struct arena *a, struct str rest, struct forward_path *to);

#define PROBLEM(code, status, text) ((struct smtp_problem){(code), (status), (text)})
#define NO_PROBLEM ((struct smtp_problem){0})

#endif
