/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_CONTROL_PATH_H
#define SJ_HTTP_CONTROL_PATH_H
/*
 * Where the control socket is when --control does not say it.
 *
 *   a server makes    under systemd  $RUNTIME_DIRECTORY/control.sock
 *                     else           $XDG_RUNTIME_DIR/scrubjay.sock
 *                     else, as root  /run/scrubjay.sock
 *   a client tries    all of these, and where a systemd unit's server makes it:
 *                     $XDG_RUNTIME_DIR/scrubjay/control.sock, /run/scrubjay/control.sock
 */
#include <stdbool.h>

#define SJ_CONTROL_PATH   128 /* longer than any socket's: what is cut is still refused */
#define SJ_CONTROL_PLACES 5

/* The server's path from --control (NULL: not given).  False: there is to be none. */
bool sj_control_path(const char *option, char path[SJ_CONTROL_PATH]);

/* Where a client looks, in this order; the number. */
unsigned sj_control_places(const char *option, char paths[SJ_CONTROL_PLACES][SJ_CONTROL_PATH]);

#endif
