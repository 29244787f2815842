/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_CACHE_PATH_H
#define SJ_HTTP_CACHE_PATH_H
/*
 * Where the cache directory is when --cache-dir does not say it:
 *
 *   under systemd        $CACHE_DIRECTORY
 *   else                 $XDG_CACHE_HOME/scrubjay
 *   else, as root        /var/cache/scrubjay
 *   else                 $HOME/.cache/scrubjay
 *
 * Asked once the process has become the user that serves.
 */
#include <limits.h>
#include <stdbool.h>

/* From --cache-dir (NULL: not given).  False: there is to be none. */
bool sj_cache_path(const char *option, char path[PATH_MAX]);

#endif
