/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_MODULE_H
#define SJ_HTTP_MODULE_H
/*
 * Modules: shared objects with request handlers (http/handler.h), opened once, before any thread
 * runs, and closed when all have ended.  The controlling thread.
 */
#include <stddef.h>
#include "core/log.h"
#include "core/option.h"
#include "core/sched.h"
#include "http/handler.h"

struct sj_loaded {
    void *library;
    const struct sj_module *module;
    const char *settings;
    void *context; /* the module's own */
    bool is_started;
};

struct sj_modules {
    struct sj_loaded *items;
    size_t n_items;
};

/* Opens each FILE[,SETTINGS].  0; or -errno and one line in `error`: -EINVAL is for what is wrong
 * in itself, -EIO for what cannot be opened.  sj_modules_close follows in any case. */
int sj_modules_open(struct sj_modules *modules, const struct sj_option_list *files, char *error,
                    size_t error_size);
void sj_modules_close(struct sj_modules *modules);

/* Of loops that do not run yet.  0, or -EIO and one line.  stop: those that were started. */
int sj_modules_start(struct sj_modules *modules, const struct sj_sched *sched, char *error,
                     size_t error_size);
void sj_modules_stop(struct sj_modules *modules);

/* With the index; what a module cannot do is logged. */
void sj_modules_reload(struct sj_modules *modules, struct sj_log *log);

/* NULL: none of that name; `name` need not end in a NUL. */
const struct sj_loaded *sj_modules_find(const struct sj_modules *modules, const char *name,
                                        size_t length);

#endif
