/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_NOTIFY_H
#define SJ_HTTP_NOTIFY_H
/* The service manager's notification protocol, sd_notify(3): without $NOTIFY_SOCKET, nothing. */

/* Each is one datagram that does not block; errors are ignored, as sd_notify(3) recommends. */
void sj_notify_ready(const char *status);
void sj_notify_reloading(void);
void sj_notify_stopping(void);

#endif
