/* SPDX-License-Identifier: MIT */
#include "cache/warm.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include "core/group.h"
#include "core/pr.h"
#include "core/sched.h"

enum state { WANTS_BYTES, WANTS_DESCRIPTOR, DONE, IS_WRONG };

/* What one build has found to be awaited. */
struct batch {
    struct batch *after;
    struct sj_awaited *items;
    uint8_t *states; /* enum state */
    size_t n_items;
    uint64_t next; /* to be taken, by ck_pr */
};

/* Who touches what: `noted` is exchanged, as a build may come beside a fill; batches are the
 * fill's, and settle removes those that are done. */
struct sj_warm {
    const char *directory;
    struct sj_log *log;
    struct sj_arena *arena;
    unsigned n_workers;
    struct sj_ledger *ledger; /* of the last run, until the first build; or NULL */
    struct batch *noted, *batches;
    uint32_t has_doubts; /* by ck_pr */
    struct sj_file **listed;
    size_t n_listed;
    bool has_warned; /* the ledger's task alone */
    char *name;      /* of the ledger */
    size_t name_size;
};

struct runner {
    struct sj_task task; /* first */
    struct sj_warm *warm;
    struct batch *batch;
    const uint32_t *is_paused;
};

/* The roots, absolute, each with its prefix. */
static int set_name(struct sj_warm *warm, const struct sj_settings *settings)
{
    char here[PATH_MAX] = "";
    FILE *to = open_memstream(&warm->name, &warm->name_size);
    if (to == NULL)
        return -ENOMEM;
    if (getcwd(here, sizeof(here)) == NULL)
        here[0] = '\0';
    for (size_t i = 0; i < settings->n_roots; i++) {
        const char *path = settings->roots[i].path;
        fprintf(to, "%s=%s/%s\n", settings->roots[i].prefix, path[0] == '/' ? "" : here, path);
    }
    return fclose(to) == 0 ? 0 : -ENOMEM;
}

static void free_batch(struct batch *batch)
{
    sj_awaited_free(batch->items, batch->n_items);
    free(batch->states);
    free(batch);
}

static void free_batches(struct batch *batch)
{
    while (batch != NULL) {
        struct batch *after = batch->after;
        free_batch(batch);
        batch = after;
    }
}

static void drop_listed(struct sj_warm *warm)
{
    for (size_t i = 0; i < warm->n_listed; i++)
        sj_file_release(warm->listed[i]);
    free(warm->listed);
    warm->listed = NULL;
    warm->n_listed = 0;
}

void sj_warm_free(struct sj_warm *warm)
{
    if (warm == NULL)
        return;
    free_batches(warm->noted);
    free_batches(warm->batches);
    drop_listed(warm);
    sj_ledger_release(warm->ledger);
    free(warm->name);
    free(warm);
}

static struct sj_text name_of(const struct sj_warm *warm)
{
    return (struct sj_text){warm->name, warm->name_size};
}

struct sj_warm *sj_warm_new(const struct sj_warm_config *config)
{
    struct sj_warm *made = malloc(sizeof(*made));
    if (made == NULL)
        return NULL;
    *made = (struct sj_warm){.directory = config->directory,
                             .log = config->log,
                             .arena = config->settings->arena,
                             .n_workers = config->n_workers};
    if (set_name(made, config->settings) != 0) {
        sj_warm_free(made);
        return NULL;
    }
    (void)!sj_ledger_read(made->directory, name_of(made), &made->ledger);
    return made;
}

struct sj_ledger *sj_warm_ledger(const struct sj_warm *warm)
{
    return warm->ledger;
}

void sj_warm_take(struct sj_warm *warm, struct sj_stock *stock)
{
    size_t n_files = warm->ledger != NULL ? sj_ledger_size(warm->ledger) : 0;
    for (size_t i = 0; i < n_files; i++) {
        struct sj_file *file = sj_ledger_get(warm->ledger, i);
        if (file == NULL)
            break;
        (void)!sj_stock_put(stock, file);
        sj_file_release(file);
    }
    sj_ledger_release(warm->ledger);
    warm->ledger = NULL;
}

void sj_warm_note(struct sj_warm *warm, struct sj_stock *stock)
{
    size_t n;
    struct sj_awaited *items = sj_stock_take_awaited(stock, &n);
    struct batch *made = n > 0 ? calloc(1, sizeof(*made)) : NULL;
    uint8_t *states = made != NULL ? calloc(n, 1) : NULL;
    if (states == NULL) {
        sj_awaited_free(items, n);
        free(made);
        return;
    }
    *made = (struct batch){.items = items, .states = states, .n_items = n};
    for (size_t i = 0; i < n; i++)
        states[i] = items[i].file->is_held ? WANTS_BYTES : WANTS_DESCRIPTOR;
    do
        made->after = ck_pr_load_ptr(&warm->noted);
    while (!ck_pr_cas_ptr(&warm->noted, made->after, made));
}

/* 0; -ESTALE: it is shorter, or has another digest; or -errno. */
static int read_bytes(int descriptor, const struct sj_file *file, char *bytes)
{
    XXH128_canonical_t digest;
    uint64_t done = 0;
    while (done < file->length) {
        ssize_t n = pread(descriptor, bytes + done, file->length - done, (off_t)done);
        if (n == 0 || (n < 0 && errno != EINTR))
            return n == 0 ? -ESTALE : -errno;
        done += n > 0 ? (uint64_t)n : 0;
    }
    XXH128_canonicalFromHash(&digest, XXH3_128bits(bytes, file->length));
    return memcmp(digest.digest, file->digest, sizeof(file->digest)) == 0 ? 0 : -ESTALE;
}

/* As read_bytes. */
static int fill_bytes(const struct sj_warm *warm, int descriptor, struct sj_file *file)
{
    struct sj_room *room = sj_room_new(warm->arena, file->length);
    char *bytes = room != NULL ? room->bytes : malloc(file->length);
    int error = bytes == NULL ? -ENOMEM : read_bytes(descriptor, file, bytes);
    if (error == 0)
        sj_file_fill(file, bytes, room);
    else if (room != NULL)
        sj_room_free(room);
    else
        free(bytes);
    return error;
}

/* Another state of the file is the watch's to see, or the next build's; this one with other bytes
 * is what the ledger should not have said. */
static enum state fill(struct sj_warm *warm, const struct sj_awaited *item, enum state wanted)
{
    struct sj_identity identity;
    struct sj_file *file = item->file;
    if (file->length == 0 || sj_file_bytes(file) != NULL || sj_file_descriptor(file) >= 0)
        return DONE;
    int descriptor = sj_root_open(item->root, item->path, &identity);
    int error = descriptor < 0 ? descriptor : 0;
    bool is_same = error == 0 && sj_identity_equals(&identity, &sj_on_disk(file)->identity);
    if (is_same && wanted == WANTS_BYTES)
        error = fill_bytes(warm, descriptor, file);
    if (is_same && wanted == WANTS_DESCRIPTOR)
        sj_file_keep(file, descriptor);
    else if (descriptor >= 0)
        close(descriptor);
    if (!is_same || error != -ESTALE)
        return is_same && error == 0 ? DONE : wanted;
    ck_pr_store_32(&warm->has_doubts, 1);
    return IS_WRONG;
}

/* The exchange of `next` gives each item to one runner.  The flag is looked at without order, only
 * to end early. */
static void run_fills(struct sj_task *task)
{
    const struct runner *runner = (struct runner *)task;
    struct batch *batch = runner->batch;
    while (ck_pr_load_32(runner->is_paused) == 0) {
        uint64_t at = ck_pr_load_64(&batch->next);
        if (at >= batch->n_items)
            break;
        if (ck_pr_cas_64(&batch->next, at, at + 1))
            batch->states[at] = (uint8_t)fill(runner->warm, &batch->items[at], batch->states[at]);
    }
}

static void fill_batch(struct sj_warm *warm, struct batch *batch, const uint32_t *is_paused)
{
    struct runner runners[SJ_WORKERS_MAX];
    struct sj_group group;
    sj_group_init(&group);
    for (unsigned i = 0; i < warm->n_workers; i++) {
        runners[i] = (struct runner){{.run = run_fills}, warm, batch, is_paused};
        sj_spawn(&group, &runners[i].task);
    }
    sj_join(&group);
}

void sj_warm_fill(struct sj_warm *warm, const uint32_t *is_paused)
{
    struct batch **end = &warm->batches;
    while (*end != NULL)
        end = &(*end)->after;
    *end = ck_pr_fas_ptr(&warm->noted, NULL); /* pairs with the exchange in sj_warm_note */
    for (struct batch *batch = warm->batches; batch != NULL; batch = batch->after)
        fill_batch(warm, batch, is_paused);
}

static void settle_batch(struct batch *batch)
{
    for (size_t i = 0; i < batch->n_items; i++) {
        struct sj_file *file = batch->items[i].file;
        if (batch->states[i] == DONE)
            sj_on_disk(file)->is_awaited = false;
        if (batch->states[i] == IS_WRONG)
            sj_on_disk(file)->is_racy = true;
    }
}

void sj_warm_settle(struct sj_warm *warm)
{
    struct batch **at = &warm->batches;
    while (*at != NULL) {
        struct batch *batch = *at;
        if (batch->next < batch->n_items) {
            at = &batch->after;
            continue;
        }
        settle_batch(batch);
        *at = batch->after;
        free_batch(batch);
    }
}

bool sj_warm_has_work(const struct sj_warm *warm)
{
    bool has_work = ck_pr_load_ptr(&warm->noted) != NULL;
    for (const struct batch *batch = warm->batches; batch != NULL; batch = batch->after)
        has_work = has_work || batch->next < batch->n_items;
    return has_work;
}

bool sj_warm_has_doubts(struct sj_warm *warm)
{
    return ck_pr_fas_32(&warm->has_doubts, 0) != 0;
}

int sj_warm_list(struct sj_warm *warm, const struct sj_stock *stock)
{
    const struct sj_file **files = sj_stock_list(stock, &warm->n_listed);
    if (files == NULL)
        return -ENOMEM;
    warm->listed = (struct sj_file **)(uintptr_t)files;
    for (size_t i = 0; i < warm->n_listed; i++)
        sj_file_acquire(warm->listed[i]);
    return 0;
}

void sj_warm_write(struct sj_warm *warm)
{
    if (warm->listed == NULL)
        return;
    int error = sj_ledger_write(warm->directory, name_of(warm),
                                (const struct sj_file *const *)warm->listed, warm->n_listed);
    if (error != 0 && !warm->has_warned)
        sj_log(warm->log, SJ_LOG_WARNING,
               "the files cannot be noted in %s, the next start reads them all: %s",
               warm->directory, strerror(-error));
    warm->has_warned = warm->has_warned || error != 0;
    drop_listed(warm);
}
