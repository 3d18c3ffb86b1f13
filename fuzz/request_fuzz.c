/* Administrative requests: any line is an object whose members can be asked for, or an error with words; on a fiber's
 * small stack. What the writer makes of it is read again as the same. */
#include "cmd/request.h"

#include <stdlib.h>

#include "proto/json/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena *a = arena_new(NULL, 0);
    struct error e = {0};
    json_t *r, *again;
    if (request_read(a, str_of(data, n), &r, &e) != 0) {
        must(e.text[0]);
    } else {
        struct str op = request_text(r, "op");
        struct buf *b = buf_in(a, 16 << 20);
        struct json j = JSON(b);
        json_put_object(&j, NULL);
        json_put_str(&j, "op", op);
        json_put_int(&j, "n", request_int(r, "n", 7));
        json_put_end(&j, '}');
        must(request_read(a, buf_str(b), &again, &e) == 0);
        must(str_eq(request_text(again, "op"), op) && request_int(again, "n", 0) == request_int(r, "n", 7));
        struct buf *any = buf_in(a, 16 << 20); /* bytes of any kind as a string */
        struct json k = JSON(any);
        json_put_object(&k, NULL);
        json_put_str(&k, "s", str_of(data, n < 4096 ? n : 4096));
        json_put_end(&k, '}');
        int error = request_read(a, buf_str(any), &again, &e);
        must(error == 0 || memchr(data, 0, n)); /* NUL is a text like others, but not for C */
    }
    arena_free(a);
    return 0;
}
