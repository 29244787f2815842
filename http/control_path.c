/* SPDX-License-Identifier: MIT */
#include "http/control_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct places {
    char (*paths)[SJ_CONTROL_PATH];
    unsigned n;
};

/* In the first folder of `folders`, which a colon may end; NULL or empty: there is none. */
static void add(struct places *places, const char *folders, const char *name)
{
    if (folders != NULL && *folders != '\0')
        snprintf(places->paths[places->n++], SJ_CONTROL_PATH, "%.*s/%s", (int)strcspn(folders, ":"),
                 folders, name);
}

bool sj_control_path(const char *option, char path[SJ_CONTROL_PATH])
{
    char paths[SJ_CONTROL_PLACES][SJ_CONTROL_PATH];
    struct places places = {paths, 0};

    if (option != NULL) {
        snprintf(path, SJ_CONTROL_PATH, "%s", option);
        return strcmp(option, "none") != 0;
    }
    add(&places, getenv("RUNTIME_DIRECTORY"), "control.sock");
    add(&places, getenv("XDG_RUNTIME_DIR"), "scrubjay.sock");
    add(&places, geteuid() == 0 ? "/run" : NULL, "scrubjay.sock");
    if (places.n > 0)
        strcpy(path, paths[0]);
    return places.n > 0;
}

unsigned sj_control_places(const char *option, char paths[SJ_CONTROL_PLACES][SJ_CONTROL_PATH])
{
    struct places places = {paths, 0};

    if (option != NULL) {
        snprintf(paths[0], SJ_CONTROL_PATH, "%s", option);
        return 1;
    }
    add(&places, getenv("RUNTIME_DIRECTORY"), "control.sock");
    add(&places, getenv("XDG_RUNTIME_DIR"), "scrubjay.sock");
    add(&places, getenv("XDG_RUNTIME_DIR"), "scrubjay/control.sock");
    add(&places, "/run", "scrubjay.sock");
    add(&places, "/run", "scrubjay/control.sock");
    return places.n;
}
