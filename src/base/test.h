/* For the unit tests beside the code: cmocka, and slices compared with a readable complaint. */
#ifndef BASE_TEST_H
#define BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static inline void assert_same(struct str actual, struct str expected, const char *file, int line)
{
    if (str_eq(actual, expected)) return;
    print_error("expected (%zu bytes): %.*s\n  actual (%zu bytes): %.*s\n", expected.n, STR_FMT(expected), actual.n,
                STR_FMT(actual));
    _fail(file, line);
}
#define assert_str(actual, expected) assert_same((actual), (expected), __FILE__, __LINE__)

#endif
