/* SPDX-License-Identifier: MIT */
#ifndef SJ_TESTS_HTTP_SITE_H
#define SJ_TESTS_HTTP_SITE_H
/*
 * A small site for the tests of http/: a temporary directory, and an index of it that is made by
 * hand, entry by entry, in the place of cache/index.c and cache/generation.c.
 *
 * One site at a time.  Whatever goes wrong here ends the test program.
 */
#include <stddef.h>
#include "cache/index.h"

/* In memory, behind its file or in the arena; or to be sent from its file. */
enum site_body { SITE_HELD, SITE_IN_ARENA, SITE_ON_DISK };

struct site {
    char folder[64];
    struct sj_root *root;
    struct sj_index *index;
    struct sj_arena *arena;
    unsigned n_reloads; /* suggested */
};

void site_init(struct site *site);
void site_fini(struct site *site);

/* Writes a file below the folder, in place; removes one. */
void site_write(const struct site *site, const char *name, const char *from, size_t length);
void site_remove(const struct site *site, const char *name);

/* Adds the file `path` + 1 with that content, as text/plain; its ETag is NAME in base64url,
 * with octets of zero up to 16 of them. */
struct sj_entry *site_add(struct site *site, const char *path, const char *content,
                          enum site_body body);

/* The same with `length` octets that site_octet gives. */
struct sj_entry *site_add_large(struct site *site, const char *path, size_t length,
                                enum site_body body);
char site_octet(size_t at);

/* A variant of an entry: the file NAME.gz and so on; its ETag ends so, too. */
void site_add_variant(struct site *site, struct sj_entry *entry, enum sj_coding coding,
                      const char *content);

void site_add_redirect(struct site *site, const char *path, const char *location);
void site_set_not_found(struct site *site, const struct sj_entry *entry);
void site_set_fallback(struct site *site, const struct sj_entry *entry);

/* The entry is that of a deploy before this one only. */
void site_set_vanished(struct site *site, const struct sj_entry *entry);

/* Nothing is built: of all entries there is only `early` (or none: NULL), for those who ask the
 * index for it; or all are there. */
void site_set_unbuilt(struct site *site, const struct sj_entry *early);
void site_set_built(struct site *site);

/* Epoch sections that are open now, of all threads. */
unsigned site_sections(const struct site *site);

/* The only generation. */
const struct sj_generation *site_generation(const struct site *site);

#endif
