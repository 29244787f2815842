/* SPDX-License-Identifier: MIT */
#ifndef SJ_CACHE_RECIPE_H
#define SJ_CACHE_RECIPE_H
/*
 * A recipe: all that an entry is made of.  The same recipe gives the same entry, so an entry whose
 * recipe has not changed goes on into the next generation.  Pure, but for memory.
 *
 * An entry is one block: the struct, the path, then all texts.  A page served under its directory
 * ("/a/" for a/index.html) shares its path with its source: only the lengths differ.
 */
#include "cache/rules.h"
#include "cache/settings.h"

enum sj_recipe_kind {
    SJ_RECIPE_FILE,
    SJ_RECIPE_TO_DIRECTORY, /* "/a" -> "a/" */
    SJ_RECIPE_TO_PAGE       /* "/a/index.html" -> "./" */
};

struct sj_recipe {
    enum sj_recipe_kind kind;
    const struct sj_settings *settings;
    const struct sj_rules *rules; /* or NULL */
    struct sj_root *root;
    char *whole;                       /* prefix and path below the root, NUL-terminated */
    size_t path_length;                /* of it: the URL path */
    struct sj_file *files[SJ_CODINGS]; /* FILE: identity, and the variants that there are */
    bool is_own[SJ_CODINGS];           /* a variant that is no file below the root: no source */
    time_t now;                        /* no Last-Modified is later */
};

/* Room that sj_recipe_make writes into, of sj_recipe_room(rules) octets. */
size_t sj_recipe_room(const struct sj_rules *rules);

/* Does `entry`, which was made with the same settings and rules, follow this recipe? */
bool sj_recipe_fits(const struct sj_recipe *recipe, const struct sj_entry *entry);

/* The entry, with one reference; it acquires files and root.  `whole` is the same after
 * the call.  NULL: no memory. */
struct sj_entry *sj_recipe_make(const struct sj_recipe *recipe, char *room);

#endif
