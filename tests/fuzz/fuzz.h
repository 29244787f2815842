/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_FUZZ_H
#define SJ_TESTS_FUZZ_H
/*
 * A fuzz target is one function that asserts; libFuzzer calls it, or replay.c with the files of
 * a corpus.  What it asserts is the answer of a second, slow way to the same end, mostly the
 * grammar of the RFC as a regular expression of the C library.
 */
#include <assert.h>
#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pattern {
    const char *text; /* extended; the locale is "C" */
    bool is_compiled;
    regex_t regex;
};

/* The first match in the text, NULs included. */
static inline bool find(struct pattern *pattern, const char *text, size_t length, regmatch_t *match)
{
    char *copy = calloc(length + 1, 1); /* AddressSanitizer wants a string all the same */
    int error = 0;

    if (!pattern->is_compiled)
        error = regcomp(&pattern->regex, pattern->text, REG_EXTENDED);
    assert(copy != NULL && error == 0);
    pattern->is_compiled = true;
    if (length > 0)
        memcpy(copy, text, length);
    *match = (regmatch_t){0, (regoff_t)length};
    error = regexec(&pattern->regex, copy, 1, match, REG_STARTEND);
    free(copy);
    return error == 0;
}

/* Does all of the text match? */
static inline bool matches(struct pattern *pattern, const char *text, size_t length)
{
    regmatch_t match;

    return find(pattern, text, length, &match) && match.rm_so == 0 &&
           match.rm_eo == (regoff_t)length;
}

#define TOKEN_OCTET "[-!#$%&'*+.^_`|~0-9A-Za-z]"
#define VALUE_OCTET "[\t -~\x80-\xff]"
#define OWS         "[ \t]*"

/* RFC 3986 section 3.2.2 */
#define ESCAPE    "%[0-9A-Fa-f][0-9A-Fa-f]"
#define REG_NAME  "([-A-Za-z0-9._~!$&'()*+,;=]|" ESCAPE ")+"
#define H16       "[0-9A-Fa-f]{1,4}"
#define DEC_OCTET "([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
#define LS32      "(" H16 ":" H16 "|" DEC_OCTET "\\." DEC_OCTET "\\." DEC_OCTET "\\." DEC_OCTET ")"
#define UP_TO(n)  "((" H16 ":){0," n "}" H16 ")?::"
#define IPV6                                                                               \
    "((" H16 ":){6}" LS32 "|::(" H16 ":){5}" LS32                                          \
    "|" UP_TO("0") "(" H16 ":){4}" LS32 "|" UP_TO("1") "(" H16 ":){3}" LS32                \
                                                       "|" UP_TO("2") "(" H16 ":){2}" LS32 \
                                                                      "|" UP_TO("3") H16   \
        ":" LS32 "|" UP_TO("4") LS32 "|" UP_TO("5") H16 "|" UP_TO("6") ")"
#define IP_FUTURE "[vV][0-9A-Fa-f]+\\.[-A-Za-z0-9._~!$&'()*+,;=:]+"
#define AUTHORITY "(\\[(" IPV6 "|" IP_FUTURE ")\\]|" REG_NAME ")(:[0-9]*)?"

#endif
