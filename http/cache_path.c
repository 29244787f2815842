/* SPDX-License-Identifier: MIT */
#include "http/cache_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* False: it is not known, or has no room. */
static bool put(char path[PATH_MAX], const char *folder, const char *name)
{
    return folder != NULL && *folder != '\0' &&
           snprintf(path, PATH_MAX, "%.*s%s", (int)strcspn(folder, ":"), folder, name) < PATH_MAX;
}

bool sj_cache_path(const char *option, char path[PATH_MAX])
{
    if (option != NULL)
        return strcmp(option, "none") != 0 && snprintf(path, PATH_MAX, "%s", option) < PATH_MAX;
    return put(path, getenv("CACHE_DIRECTORY"), "") ||
           put(path, getenv("XDG_CACHE_HOME"), "/scrubjay") ||
           put(path, geteuid() == 0 ? "/var/cache" : NULL, "/scrubjay") ||
           put(path, getenv("HOME"), "/.cache/scrubjay");
}
