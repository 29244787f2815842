/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_SETTINGS_H
#define SJ_CACHE_SETTINGS_H
/*
 * The index's configuration, checked and copied: what each build goes by.  Immutable; any thread.
 *
 * A root is given as "[PREFIX=]DIR", split at the first "=".  The prefix gets the slashes it lacks;
 * none, "" and "/" mean "/".  A value that begins with "." has no prefix ("./a=b"), and a DIR with
 * a "=" in it can always be given with an empty one ("=/srv/a=b").
 */
#include <regex.h>
#include "cache/file.h"
#include "cache/index.h"
#include "cache/media.h"

struct sj_settings {
    struct sj_root_spec *roots;
    size_t n_roots;
    struct sj_media *media;
    regex_t immutable;
    bool has_immutable;
    char *index_file; /* or NULL */
    char *fallback;   /* from "/"; or NULL */
    char *headers;    /* or NULL */
    uint64_t max_age_s;
    uint64_t memory_limit;
    uint64_t memory_file_limit;
    uint64_t linked_files_limit;
    uint64_t open_files_limit;
    bool serves_dotfiles;
    struct sj_arena *arena; /* of large bodies, or NULL: the index's to give; one reference */
};

/* 0 and `*settings`; -EINVAL, and one line in `error` that names the option; -ENOMEM. */
int sj_settings_new(const struct sj_index_config *config, struct sj_settings **settings,
                    char *error, size_t error_size);
void sj_settings_free(struct sj_settings *settings);

/* For as long as `settings` lasts: the same, with the root that `text` says in the place of the
 * last one with that prefix.  0; -EINVAL: it is not in that form; -ENOENT: there is no such prefix;
 * -ENOMEM; all of them with one line in `error`. */
int sj_settings_exchange_root(const struct sj_settings *settings, const char *text,
                              struct sj_settings *exchanged, char *error, size_t error_size);
void sj_settings_exchange_end(struct sj_settings *exchanged);

/* Shall this URL path be cached for ever?  NUL-terminated. */
bool sj_settings_is_immutable(const struct sj_settings *settings, const char *path);

#endif
