/* SPDX-License-Identifier: MIT */
#include "cache/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "cache/fingerprint.h"

/* A few links to each other can name a tree without end: at 600 octets a URL, this is enough. */
#define LINKED_FILES_MAX 4194304
#define OPEN_FILES_MAX   1024

/* Most descriptors are for connections. */
#define DESCRIPTORS_FOR_ONE 16

#define PREFIX_MAX 1024

/* A copy of `length` octets with a slash on either side where it lacks one. */
static char *copy_prefix(const char *from, size_t length)
{
    char *copy = malloc(length + 3);
    char *at = copy;
    if (copy == NULL)
        return NULL;
    if (length == 0 || from[0] != '/')
        *at++ = '/';
    at = mempcpy(at, from, length);
    if (at[-1] != '/')
        *at++ = '/';
    *at = '\0';
    return copy;
}

static bool is_dots(const char *segment, size_t length)
{
    return (length == 1 || length == 2) && segment[0] == '.' && segment[length - 1] == '.';
}

/* From "/" to "/": no empty segment, none of dots, no control characters. */
static bool is_prefix(const char *prefix)
{
    if (strlen(prefix) > PREFIX_MAX)
        return false;
    for (const char *at = prefix; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    for (const char *at = prefix + 1; *at != '\0';) {
        const char *slash = strchr(at, '/');
        if (slash == at || is_dots(at, (size_t)(slash - at)))
            return false;
        at = slash + 1;
    }
    return true;
}

static int parse_root(const char *text, struct sj_root_spec *spec)
{
    const char *equals = text[0] == '.' ? NULL : strchr(text, '=');
    const char *path = equals == NULL ? text : equals + 1;
    if (*path == '\0')
        return -EINVAL;
    spec->prefix = copy_prefix(text, equals == NULL ? 0 : (size_t)(equals - text));
    spec->path = strdup(path);
    if (spec->prefix == NULL || spec->path == NULL)
        return -ENOMEM;
    return is_prefix(spec->prefix) ? 0 : -EINVAL;
}

static int set_roots(const struct sj_index_config *config, struct sj_settings *settings,
                     char *error, size_t error_size)
{
    settings->roots = calloc(config->n_roots + 1, sizeof(*settings->roots));
    if (settings->roots == NULL)
        return -ENOMEM;
    settings->n_roots = config->n_roots;
    for (size_t i = 0; i < config->n_roots; i++) {
        settings->roots[i].follows_symlinks = config->follows_symlinks;
        int code = parse_root(config->roots[i], &settings->roots[i]);
        if (code == -EINVAL)
            snprintf(error, error_size,
                     "--root %s: expected [PREFIX=]DIR, for example /static/=/srv/files",
                     config->roots[i]);
        if (code != 0)
            return code;
    }
    return 0;
}

static int copy_text(const char *from, char **to)
{
    if (from == NULL)
        return 0;
    *to = strdup(from);
    return *to == NULL ? -ENOMEM : 0;
}

static int set_names(const struct sj_index_config *config, struct sj_settings *settings,
                     char *error, size_t error_size)
{
    if (config->index_file != NULL &&
        (config->index_file[0] == '\0' || strchr(config->index_file, '/') != NULL)) {
        snprintf(error, error_size, "--index-file %s: expected the name of a file, or none",
                 config->index_file);
        return -EINVAL;
    }
    if (copy_text(config->index_file, &settings->index_file) != 0 ||
        copy_text(config->headers, &settings->headers) != 0)
        return -ENOMEM;
    if (config->fallback == NULL)
        return 0;
    const char *slash = config->fallback[0] == '/' ? "" : "/";
    return asprintf(&settings->fallback, "%s%s", slash, config->fallback) < 0 ? -ENOMEM : 0;
}

static int set_immutable(const struct sj_index_config *config, struct sj_settings *settings,
                         char *error, size_t error_size)
{
    char why[128];
    if (config->immutable == NULL)
        return 0;
    int code = regcomp(&settings->immutable, config->immutable, REG_EXTENDED | REG_NOSUB);
    settings->has_immutable = code == 0;
    if (code == REG_ESPACE)
        return -ENOMEM;
    if (code == 0)
        return 0;
    regerror(code, &settings->immutable, why, sizeof(why));
    snprintf(error, error_size, "--immutable %s: not a regular expression: %s", config->immutable,
             why);
    return -EINVAL;
}

static uint64_t default_open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    uint64_t share = limit.rlim_cur / DESCRIPTORS_FOR_ONE;
    return share < OPEN_FILES_MAX ? share : OPEN_FILES_MAX;
}

int sj_settings_new(const struct sj_index_config *config, struct sj_settings **settings,
                    char *error, size_t error_size)
{
    struct sj_settings *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    made->max_age_s = config->max_age_s;
    made->memory_limit = config->memory_limit;
    made->memory_file_limit = config->memory_file_limit;
    made->linked_files_limit =
        config->linked_files_limit != 0 ? config->linked_files_limit : LINKED_FILES_MAX;
    made->open_files_limit =
        config->open_files_limit != 0 ? config->open_files_limit : default_open_files();
    made->serves_dotfiles = config->serves_dotfiles;
    int code = set_roots(config, made, error, error_size);
    if (code == 0)
        code = set_names(config, made, error, error_size);
    if (code == 0)
        code = set_immutable(config, made, error, error_size);
    if (code == 0)
        code = sj_media_new(config->types, config->n_types, &made->media, error, error_size);
    if (code == 0)
        *settings = made;
    else
        sj_settings_free(made);
    return code;
}

static void free_root(const struct sj_root_spec *root)
{
    free((char *)(uintptr_t)root->prefix);
    free((char *)(uintptr_t)root->path);
}

void sj_settings_free(struct sj_settings *settings)
{
    if (settings == NULL)
        return;
    for (size_t i = 0; i < settings->n_roots; i++)
        free_root(&settings->roots[i]);
    if (settings->has_immutable)
        regfree(&settings->immutable);
    sj_media_free(settings->media);
    free(settings->roots);
    free(settings->index_file);
    free(settings->fallback);
    free(settings->headers);
    sj_arena_release(settings->arena);
    free(settings);
}

/* From 0: the last root with that prefix, or `n_roots`. */
static size_t find_root(const struct sj_settings *settings, const char *prefix)
{
    for (size_t i = settings->n_roots; i > 0; i--)
        if (strcmp(settings->roots[i - 1].prefix, prefix) == 0)
            return i - 1;
    return settings->n_roots;
}

/* The array and the new path are one piece; all other texts are borrowed. */
static int exchange(const struct sj_settings *settings, const struct sj_root_spec *by,
                    struct sj_settings *exchanged, char *error, size_t error_size)
{
    size_t at = find_root(settings, by->prefix), size = settings->n_roots * sizeof(*by);
    if (at == settings->n_roots) {
        snprintf(error, error_size, "%s=%s: no root has that prefix", by->prefix, by->path);
        return -ENOENT;
    }
    struct sj_root_spec *roots = malloc(size + strlen(by->path) + 1);
    if (roots == NULL)
        return -ENOMEM;
    memcpy(roots, settings->roots, size);
    roots[at].path = strcpy((char *)(roots + settings->n_roots), by->path);
    *exchanged = *settings;
    exchanged->roots = roots;
    return 0;
}

int sj_settings_exchange_root(const struct sj_settings *settings, const char *text,
                              struct sj_settings *exchanged, char *error, size_t error_size)
{
    struct sj_root_spec by = {0};
    int code = parse_root(text, &by);
    snprintf(error, error_size, "%s: expected [PREFIX=]DIR", text);
    if (code == 0)
        code = exchange(settings, &by, exchanged, error, error_size);
    if (code == -ENOMEM)
        snprintf(error, error_size, "%s", strerrordesc_np(ENOMEM));
    free_root(&by);
    return code;
}

void sj_settings_exchange_end(struct sj_settings *exchanged)
{
    free(exchanged->roots);
}

bool sj_settings_is_immutable(const struct sj_settings *settings, const char *path)
{
    if (settings->has_immutable)
        return regexec(&settings->immutable, path, 0, NULL, 0) == 0;
    return sj_fingerprint_is_in((struct sj_text){path, strlen(path)});
}
