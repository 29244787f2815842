/* SPDX-License-Identifier: MIT */
#ifndef SJ_BENCH_TASKS_RECORDS_H
#define SJ_BENCH_TASKS_RECORDS_H
/* Adds up the amounts of <record kind="..."><amount>...</amount>...</record>, by kind.  One thread
 * at a time. */
#include <stddef.h>

struct records;

enum { RECORDS_TEXT = 1024 }; /* room for what is said of them */

/* NULL: no memory. */
struct records *records_new(void);
void records_free(struct records *records);

/* The next piece of the XML, as it comes: 0; -EBADMSG: it is not such XML; -ENOMEM. */
int records_take(struct records *records, const void *data, size_t length);

/* Behind the last piece.  The same results; `text`: how many there were, then a line a kind. */
int records_end(struct records *records, char text[RECORDS_TEXT]);

#endif
