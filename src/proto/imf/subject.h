/* The base subject by which letters are threaded and sorted (RFC 5256 §2.1). */
#ifndef PROTO_IMF_SUBJECT_H
#define PROTO_IMF_SUBJECT_H

#include "base/arena.h"

struct imf_subject {
    struct str text;  /* decoded, UTF-8, white space collapsed */
    struct str base;  /* without "Re:", "Fwd:", "[list]", "(fwd)"; a slice of text. Compare with i;unicode-casemap */
    bool reply;       /* something that marks a reply or a forward was taken off */
};

/* body: of the Subject field, raw. */
struct imf_subject imf_subject_parse(struct arena *a, struct str body);

#endif
