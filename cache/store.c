/* SPDX-License-Identifier: MIT */
#include "cache/store_private.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include "cache/replace.h"
#include "core/log.h"
#include "core/pr.h"

_Static_assert(sizeof(struct sj_record_footer) == 120, "the form of the footer is fixed");

static const uint8_t magic[8] = "sjvarian";

bool sj_record_name(const struct sj_store *store, const struct sj_store_key *key,
                    struct sj_record_name *name)
{
    char hex[33];
    memset(name->settings, 0, sizeof(name->settings));
    sj_encode_settings(key->coding, key->effort, name->settings);
    for (size_t i = 0; i < sizeof(key->digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", key->digest[i]);
    int n = snprintf(name->path, sizeof(name->path), "%s/variants/%.2s/%s-%" PRIu64 ".%s",
                     store->path, hex, hex, key->length, name->settings);
    if (n < (int)sizeof(name->path))
        return true;
    name->path[0] = '\0';
    return false;
}

void sj_record_describe(const struct sj_store_key *key, const char *settings,
                        struct sj_record_footer *footer)
{
    *footer = (struct sj_record_footer){.version = htole32(SJ_RECORD_VERSION),
                                        .content_length = htole64(key->length)};
    memcpy(footer->magic, magic, sizeof(magic));
    memcpy(footer->content_digest, key->digest, sizeof(key->digest));
    memcpy(footer->settings, settings, sizeof(footer->settings));
}

static uint64_t checksum(const struct sj_record_footer *footer)
{
    return htole64(XXH3_64bits(footer, offsetof(struct sj_record_footer, checksum)));
}

bool sj_record_is_it(const struct sj_record_footer *footer, const struct sj_record_footer *wanted)
{
    return checksum(footer) == footer->checksum &&
           memcmp(footer->magic, wanted->magic, sizeof(footer->magic)) == 0 &&
           footer->version == wanted->version && footer->content_length == wanted->content_length &&
           memcmp(footer->content_digest, wanted->content_digest, sizeof(wanted->content_digest)) ==
               0 &&
           memcmp(footer->settings, wanted->settings, sizeof(wanted->settings)) == 0;
}

void sj_record_seal(struct sj_record_footer *footer, uint64_t length, const uint8_t digest[16])
{
    footer->payload_length = htole64(length);
    memcpy(footer->payload_digest, digest, sizeof(footer->payload_digest));
    footer->checksum = checksum(footer);
}

void sj_store_warn(struct sj_store *store, const char *path, int error)
{
    if (ck_pr_fas_32(&store->has_warned, 1) == 0)
        sj_log(store->log, SJ_LOG_WARNING, "cache directory: %s: %s; goes on in memory", path,
               strerror(-error));
}

/* Absolute, as the process may change its directory later. */
static char *copy_path(const char *path)
{
    char here[PATH_MAX] = "";
    if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL)
        here[0] = '\0';
    size_t size = strlen(here) + strlen(path) + 2;
    char *copy = malloc(size);
    if (copy != NULL)
        snprintf(copy, size, "%s%s%s", here, here[0] == '\0' ? "" : "/", path);
    return copy;
}

int sj_store_open(const struct sj_store_settings *settings, struct sj_store **store)
{
    struct sj_store *made = malloc(sizeof(*made));
    if (made == NULL)
        return -ENOMEM;
    *made = (struct sj_store){.log = settings->log,
                              .arena = settings->arena,
                              .byte_limit = settings->byte_limit,
                              .memory_limit = settings->memory_limit};
    if (settings->path != NULL) {
        made->path = copy_path(settings->path);
        if (made->path == NULL) {
            free(made);
            return -ENOMEM;
        }
        int error = sj_make_directories(made->path);
        if (error != 0)
            sj_store_warn(made, made->path, error);
    }
    *store = made;
    return 0;
}

void sj_store_close(struct sj_store *store)
{
    if (store == NULL)
        return;
    free(store->path);
    free(store);
}

const char *sj_store_path(const struct sj_store *store)
{
    return store->path;
}

uint64_t sj_store_bytes(const struct sj_store *store)
{
    return ck_pr_load_64(&store->bytes);
}
