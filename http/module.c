/* SPDX-License-Identifier: MIT */
#include "http/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/loop.h"

#define SJ_FILE_MAX 4096

/* A name without a slash is a file here, not one of the system's libraries.  False: too long. */
static bool path_of(const char *option, size_t length, char path[SJ_FILE_MAX])
{
    const char *here = memchr(option, '/', length) == NULL ? "./" : "";
    int n = snprintf(path, SJ_FILE_MAX, "%s%.*s", here, (int)length, option);

    return n > 0 && n < SJ_FILE_MAX;
}

static bool is_name(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

    return name != NULL && name[0] != '\0' && name[strspn(name, letters)] == '\0';
}

static bool has_all(const struct sj_handler *row)
{
    while (row->name != NULL && row->handle != NULL)
        row++;
    return row->name == NULL;
}

static int check(const struct sj_modules *modules, const struct sj_module *module,
                 const char *option, char *error, size_t error_size)
{
    if (module == NULL)
        snprintf(error, error_size,
                 "--module %s: it has no symbol scrubjay_module; see scrubjay-handler(3)", option);
    else if (module->abi != SJ_ABI)
        snprintf(error, error_size,
                 "--module %s: built for version %u of scrubjay/handler.h, this is %u: build it "
                 "again",
                 option, module->abi, SJ_ABI);
    else if (!is_name(module->name) || module->handlers == NULL || !has_all(module->handlers))
        snprintf(error, error_size,
                 "--module %s: its scrubjay_module needs handlers, and a name of letters, digits, "
                 "- and _",
                 option);
    else if (sj_modules_find(modules, module->name, strlen(module->name)) != NULL)
        snprintf(error, error_size, "--module %s: another module is called %s; give it once",
                 option, module->name);
    else
        return 0;
    return -EINVAL;
}

static int open_one(struct sj_modules *modules, const char *option, char *error, size_t error_size)
{
    size_t length = strcspn(option, ",");
    struct sj_loaded *loaded = &modules->items[modules->n_items];
    char path[SJ_FILE_MAX];
    const struct sj_module *module;
    int result;

    if (!path_of(option, length, path)) {
        snprintf(error, error_size, "--module: a file name is empty or too long");
        return -EINVAL;
    }
    *loaded = (struct sj_loaded){.settings = option + length + (option[length] == ',')};
    loaded->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (loaded->library == NULL) {
        snprintf(error, error_size, "--module: cannot load %s", dlerror());
        return -EIO;
    }
    module = dlsym(loaded->library, "scrubjay_module");
    result = check(modules, module, option, error, error_size);
    loaded->module = module;
    if (result != 0)
        dlclose(loaded->library);
    else
        modules->n_items++;
    return result;
}

int sj_modules_open(struct sj_modules *modules, const struct sj_option_list *files, char *error,
                    size_t error_size)
{
    int result = 0;

    modules->n_items = 0;
    modules->items = calloc(files->n_items + 1, sizeof(*modules->items));
    if (modules->items == NULL) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < files->n_items && result == 0; i++)
        result = open_one(modules, files->items[i], error, error_size);
    return result;
}

void sj_modules_close(struct sj_modules *modules)
{
    sj_modules_stop(modules);
    for (size_t i = 0; i < modules->n_items; i++)
        dlclose(modules->items[i].library);
    free(modules->items);
    *modules = (struct sj_modules){0};
}

static int start_one(struct sj_loaded *loaded, const struct sj_setup *setup, char *error,
                     size_t error_size)
{
    int result;

    setup->error[0] = '\0';
    if (loaded->module->start == NULL)
        return 0;
    result = loaded->module->start(setup, &loaded->context);
    loaded->is_started = result == 0;
    if (result != 0)
        snprintf(error, error_size, "module %s does not start: %s", loaded->module->name,
                 setup->error[0] != '\0' ? setup->error : strerror(-result));
    return result != 0 ? -EIO : 0;
}

int sj_modules_start(struct sj_modules *modules, const struct sj_sched *sched, char *error,
                     size_t error_size)
{
    struct event_base *bases[SJ_LOOPS_MAX];
    char text[512];
    struct sj_setup setup = {.n_loops = sj_sched_loops(sched),
                             .n_workers = sj_sched_workers(sched),
                             .bases = bases,
                             .error = text,
                             .error_size = sizeof(text)};
    int result = 0;

    for (unsigned i = 0; i < setup.n_loops; i++)
        bases[i] = sj_loop_base(sj_sched_loop(sched, i));
    for (size_t i = 0; i < modules->n_items && result == 0; i++) {
        setup.settings = modules->items[i].settings;
        result = start_one(&modules->items[i], &setup, error, error_size);
    }
    return result;
}

void sj_modules_stop(struct sj_modules *modules)
{
    for (size_t i = modules->n_items; i-- > 0;) {
        struct sj_loaded *loaded = &modules->items[i];

        if (loaded->is_started && loaded->module->stop != NULL)
            loaded->module->stop(loaded->context);
        loaded->is_started = false;
    }
}

void sj_modules_reload(struct sj_modules *modules, struct sj_log *log)
{
    for (size_t i = 0; i < modules->n_items; i++) {
        const struct sj_loaded *loaded = &modules->items[i];
        char text[512] = "";
        int error = 0;

        if (loaded->module->reload != NULL)
            error = loaded->module->reload(loaded->context, text, sizeof(text));
        if (error != 0)
            sj_log(log, SJ_LOG_ERROR, "module %s is not reloaded and goes on as it was: %s",
                   loaded->module->name, text[0] != '\0' ? text : strerror(-error));
    }
}

const struct sj_loaded *sj_modules_find(const struct sj_modules *modules, const char *name,
                                        size_t length)
{
    for (size_t i = 0; i < modules->n_items; i++) {
        const char *other = modules->items[i].module->name;

        if (strlen(other) == length && memcmp(other, name, length) == 0)
            return &modules->items[i];
    }
    return NULL;
}
