/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_REPORT_H
#define SJ_HTTP_REPORT_H
/* What a server says of itself.  The controlling thread. */
#include <jansson.h>
#include "cache/generation.h"

struct sj_server;

#define SJ_REPORT_LINE 300

/* "generation 7: 12 added, 3 changed, 1 removed, 104,233 unchanged, 2 faults; 38 ms", with
 * `separator` between thousands of what is counted. */
void sj_report_generation(char line[SJ_REPORT_LINE], const struct sj_generation_summary *summary,
                          const char *separator);

/* The addresses that it listens at, as clients write them, before loops may close them; NULL: no
 * memory. */
json_t *sj_report_addresses(const struct sj_server *server);

/* Everything that `scrubjay status' shows; NULL: no memory. */
json_t *sj_report_status(const struct sj_server *server);

#endif
