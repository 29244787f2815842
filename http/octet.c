/* SPDX-License-Identifier: MIT */
/* The table is computed by the compiler from the grammars, one row a rule. */
#include "http/octet.h"

#define IS_DIGIT(c)   ((c) >= '0' && (c) <= '9')
#define IS_ALPHA(c)   (((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z'))
#define IS_ALNUM(c)   (IS_DIGIT(c) || IS_ALPHA(c))
#define IS_VISIBLE(c) ((c) > 0x20 && (c) < 0x7f)
#define IS_OPAQUE(c)  ((c) >= 0x80) /* obs-text */

/* RFC 9110: the delimiters of section 5.6.2 are DQUOTE and "(),/:;<=>?@[\]{}". */
#define IS_DELIMITER(c)                                                    \
    ((c) == '"' || (c) == '(' || (c) == ')' || (c) == ',' || (c) == '/' || \
     ((c) >= ':' && (c) <= '@') || ((c) >= '[' && (c) <= ']') || (c) == '{' || (c) == '}')
#define IS_TOKEN(c) (IS_VISIBLE(c) && !IS_DELIMITER(c))
#define IS_VALUE(c) (IS_VISIBLE(c) || IS_OPAQUE(c) || (c) == ' ' || (c) == '\t')
#define IS_TAG(c)   ((IS_VISIBLE(c) && (c) != '"') || IS_OPAQUE(c))
#define IS_HEX(c)   (IS_DIGIT(c) || ((c) >= 'A' && (c) <= 'F') || ((c) >= 'a' && (c) <= 'f'))

/* RFC 3986 */
#define IS_UNRESERVED(c) (IS_ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~')
#define IS_SUB_DELIM(c) \
    ((c) == '!' || (c) == '$' || ((c) >= '&' && (c) <= ',') || (c) == ';' || (c) == '=')
#define IS_REG_NAME(c) (IS_UNRESERVED(c) || IS_SUB_DELIM(c))
#define IS_PCHAR(c)    (IS_REG_NAME(c) || (c) == ':' || (c) == '@')

/* Off that grammar, but sent by every browser (WHATWG URL): such files and links exist. */
#define IS_PATH(c) (IS_PCHAR(c) || (c) == '[' || (c) == ']' || (c) == '|')
#define IS_QUERY(c)                                                                       \
    (IS_PATH(c) || (c) == '/' || (c) == '?' || (c) == '{' || (c) == '}' || (c) == '\\' || \
     (c) == '^' || (c) == '`')

#define ROW(c)                                                                      \
    (IS_TOKEN(c) ? SJ_OCTET_TOKEN : 0) | (IS_VALUE(c) ? SJ_OCTET_VALUE : 0) |       \
        (IS_TAG(c) ? SJ_OCTET_TAG : 0) | (IS_VISIBLE(c) ? SJ_OCTET_VISIBLE : 0) |   \
        (IS_HEX(c) ? SJ_OCTET_HEX : 0) | (IS_REG_NAME(c) ? SJ_OCTET_REG_NAME : 0) | \
        (IS_PATH(c) ? SJ_OCTET_PATH : 0) | (IS_QUERY(c) ? SJ_OCTET_QUERY : 0)
#define ROWS4(c)  ROW(c), ROW((c) + 1), ROW((c) + 2), ROW((c) + 3)
#define ROWS16(c) ROWS4(c), ROWS4((c) + 4), ROWS4((c) + 8), ROWS4((c) + 12)
#define ROWS64(c) ROWS16(c), ROWS16((c) + 16), ROWS16((c) + 32), ROWS16((c) + 48)

const uint8_t sj_octets[256] = {ROWS64(0), ROWS64(64), ROWS64(128), ROWS64(192)};
