/* Cases of other people's tables that we read otherwise, each with the reason. Included by shared_data_test.c. */
#define COMMENTS \
    "a comment is no part of a name (RFC 5322 §3.2.2); the comment alone serves as one when there is none"
#define BLANKS "unfolding keeps white space (RFC 5322 §2.2.3)"
#define WORD_BLANKS "nothing is added beside an encoded word (RFC 2047 §6.2)"
#define BODY_BEGINS "the first line that is no field begins the body, as MTAs have it; none of it is dropped"
#define ENCODED \
    "an encoded message has no parts with offsets in the letter (forbidden by RFC 2046 §5.2.1)"
#define LANGUAGE "the language of a parameter is not kept"
{"address.json", 8, COMMENTS}, {"address.json", 9, COMMENTS}, {"address.json", 10, COMMENTS},
    {"address.json", 11, COMMENTS},
    {"address.json", 13, "routes are kept apart, white space around dots is no part of a domain (RFC 5322 §4.4)"},
    {"address.json", 14, COMMENTS}, {"address.json", 22, COMMENTS},
    {"address.json", 55, "text after an address is not its name"}, {"address.json", 56, COMMENTS},
    {"content_type.json", 29, LANGUAGE}, {"content_type.json", 30, LANGUAGE},
    {"content_type.json", 31, "only the first piece names a charset (RFC 2231 §4.1)"},
    {"content_type.json", 34, "white space between encoded words is not shown (RFC 2047 §6.2)"},
    {"content_type.json", 49, "an empty value is a value"},
    {"content_type.json", 59, "pieces are numbered from 0 without gaps (RFC 2231 §3); the language is not kept"},
    {"content_type.json", 61, "made of nonsense: only one \"*\" with at most three digits makes a piece"},
    {"content_type.json", 76, "there is one subtype"}, {"content_type.json", 77, "there is one subtype"},
    {"content_type.json", 78, "there is one subtype"}, {"date.json", 10, "a month has a name"},
    {"date.json", 12, "no date"}, {"date.json", 28, "a Received field is no date"},
    {"id.json", 6, "white space inside of an id means nothing (RFC 5322 §4.5.4)"}, {"unstructured.json", 2, BLANKS},
    {"unstructured.json", 3, BLANKS}, {"unstructured.json", 4, BLANKS}, {"unstructured.json", 19, BLANKS},
    {"unstructured.json", 21, WORD_BLANKS}, {"unstructured.json", 22, WORD_BLANKS}, {"unstructured.json", 24, BLANKS},
    {"unstructured.json", 25, BLANKS}, {"unstructured.json", 26, BLANKS}, {"unstructured.json", 27, WORD_BLANKS},
    {"unstructured.json", 28, WORD_BLANKS}, {"rfc", 8, ENCODED}, {"rfc.crlf", 8, ENCODED},
    {"malformedHeader-noheader", 0, BODY_BEGINS}, {"malformedHeaderStartsBody-noheader", 0, BODY_BEGINS},
    {"malformedHeader-nocrlfcrlf", 0, BODY_BEGINS}, {"malformedHeaderStartsBody-nocrlfcrlf", 0, BODY_BEGINS},
    {"basic-plain-with-bad-header-separator", 0, BODY_BEGINS},
    {"obsolete", 0, "a field name is ASCII (RFC 5322 §3.6.8); the first line that is no field begins the body"},
    {"base64encoded-rfc822message", 0, ENCODED}, {"base64encoded-rfc822message-nested", 0, ENCODED},
    {"bad-newlines-multiple-parts-base64", 0, ENCODED},
    {"very-very-long-boundary", 0, "LIMIT_BOUNDARY: a longer delimiter would not fit on a line (RFC 5322 §2.1.1)"},
