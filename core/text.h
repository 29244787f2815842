/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_TEXT_H
#define SJ_CORE_TEXT_H
/* A piece of text by address and length, and a bounded writer that cannot overrun.  Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sj_text {
    const char *at; /* not NUL-terminated */
    size_t length;
};

#define SJ_TEXT(literal) ((struct sj_text){"" literal, sizeof(literal) - 1})

static inline bool sj_text_equals(struct sj_text a, struct sj_text b)
{
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

/* Without regard to the case of ASCII letters. */
bool sj_text_equals_nocase(struct sj_text a, struct sj_text b);

/* Writes into [at, end); what does not fit sets `is_full` and is left out whole. */
struct sj_writer {
    char *at;
    char *end;
    bool is_full;
};

static inline void sj_write(struct sj_writer *writer, const void *from, size_t length)
{
    if ((size_t)(writer->end - writer->at) < length) {
        writer->is_full = true;
        return;
    }
    memcpy(writer->at, from, length);
    writer->at += length;
}

#define sj_write_literal(writer, literal) sj_write((writer), "" literal, sizeof(literal) - 1)

static inline void sj_write_text(struct sj_writer *writer, struct sj_text text)
{
    sj_write(writer, text.at, text.length);
}

void sj_write_number(struct sj_writer *writer, uint64_t number);

#endif
