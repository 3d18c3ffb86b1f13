/* What the store remembers of a letter beside its bytes, whichever way it came: by SMTP, by APPEND, by import. */
#ifndef QUEUE_LETTER_FACTS_H
#define QUEUE_LETTER_FACTS_H

#include "proto/mime/parse.h"
#include "store/store.h"

/* letter: as its body's bytes were parsed; body: finished. All in `a`, but for strings of `letter`. */
struct body_facts *letter_facts(struct arena *a, const struct mime_letter *letter, const struct body *body);

#endif
