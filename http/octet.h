/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_OCTET_H
#define SJ_HTTP_OCTET_H
/* Classes of octets, from the grammars of RFC 9110 and RFC 3986: a bit each.  Pure. */
#include <stdbool.h>
#include <stdint.h>

enum sj_octet_class {
    SJ_OCTET_TOKEN = 1,     /* tchar (RFC 9110 section 5.6.2) */
    SJ_OCTET_VALUE = 2,     /* field-vchar, SP and HTAB (5.5) */
    SJ_OCTET_TAG = 4,       /* etagc (8.8.3) */
    SJ_OCTET_VISIBLE = 8,   /* VCHAR */
    SJ_OCTET_HEX = 16,      /* HEXDIG of either case */
    SJ_OCTET_REG_NAME = 32, /* unreserved and sub-delims (RFC 3986 sections 2.2, 2.3) */
    SJ_OCTET_PATH = 64,     /* pchar, and what browsers send raw; neither "/" nor "%" */
    SJ_OCTET_QUERY = 128    /* the same of a query, not "%" */
};

extern const uint8_t sj_octets[256];

static inline bool sj_octet_is(char octet, unsigned classes)
{
    return (sj_octets[(unsigned char)octet] & classes) != 0;
}

static inline bool sj_octet_is_digit(char octet)
{
    return octet >= '0' && octet <= '9';
}

/* OWS */
static inline bool sj_octet_is_blank(char octet)
{
    return octet == ' ' || octet == '\t';
}

/* Of a SJ_OCTET_HEX. */
static inline unsigned sj_octet_hex(char octet)
{
    return ((unsigned char)octet & 15u) + (octet > '9' ? 9u : 0u);
}

/* The first octet of [at, end) that is in none of the classes; `end` when there is none. */
static inline const char *sj_octets_skip(const char *at, const char *end, unsigned classes)
{
    while (at < end && sj_octet_is(*at, classes))
        at++;
    return at;
}

static inline const char *sj_octets_skip_blanks(const char *at, const char *end)
{
    while (at < end && sj_octet_is_blank(*at))
        at++;
    return at;
}

#endif
