/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_STATUS_H
#define SJ_HTTP_STATUS_H
/* Status codes that this server sends: RFC 9110 section 15.  One row each, in status.c. */
#include "core/text.h"

bool sj_status_is_known(int status);

/* "HTTP/1.1 404 Not Found\r\n"; of a code without a row that of 500. */
struct sj_text sj_status_line(int status);

/* "Not Found" */
struct sj_text sj_status_phrase(int status);

#endif
