/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_METRICS_H
#define SJ_HTTP_METRICS_H
/*
 * What a server counts, in Prometheus' text form (version 0.0.4), as the answer to an HTTP request
 * for /metrics.  The controlling thread; a moment's values.
 */
struct sj_server;

/* Head and body, from malloc; NULL: no memory.  `target` is what the request named, or NULL. */
char *sj_metrics_answer(const struct sj_server *server, const char *target);

#endif
