/* SPDX-License-Identifier: MIT */
#ifndef SJ_BENCH_TASKS_RULES_H
#define SJ_BENCH_TASKS_RULES_H
/*
 * The log evaluator's rules, as bench/README.md describes their file, and what they find in lines.
 *
 * A set never changes once it is read, and any number of threads may look into it.
 */
#include <stddef.h>
#include <stdint.h>

struct rules;
struct matcher;

struct line {
    const char *text;
    size_t length;
};

struct match {
    uint32_t point, rule; /* the line's number from 0, the rule's line in its file from 1 */
    uint64_t at;          /* octets */
};

/* What was found, in one thread's hands: by line, then by rule. */
struct found {
    struct match *matches; /* freed by who has it */
    size_t n, room;
    int64_t score;
    uint64_t n_bounded; /* searches that were given up, as if they had found nothing */
};

/* 0 and `*rules`, whose one reference is the caller's; else -errno and a line in `error`. */
int rules_read(struct rules **rules, const char *path, char *error, size_t error_size);

/* Any thread.  Freed with the last release. */
void rules_acquire(struct rules *rules);
void rules_release(struct rules *rules);

/* What a search needs beside the rules, for one thread at a time.  NULL: no memory. */
struct matcher *matcher_new(void);
void matcher_free(struct matcher *matcher);

/* Adds what the rules find in the line of this number.  0 or -ENOMEM. */
int rules_search(const struct rules *rules, struct matcher *matcher, const struct line *line,
                 uint32_t point, struct found *found);

#endif
