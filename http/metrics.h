/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_METRICS_H
#define SJ_HTTP_METRICS_H
/*
 * What a server counts, in Prometheus' text form (version 0.0.4), as the answer to an HTTP request
 * for /metrics.  The controlling thread; a moment's values.
 */
struct sj_server;

/* Head and body of the response, from malloc; NULL: no memory. */
char *sj_metrics_answer(const struct sj_server *server, const char *method, const char *target);

#endif
