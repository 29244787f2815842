/* SPDX-License-Identifier: MIT */
#include "cache/pages.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cache/references.h"
#include "core/group.h"
#include "core/pr.h"

#define BATCH_PAGES 64
#define BATCH_BYTES 2097152

/* Room for a path that two URLs are resolved to; longer ones name nothing here. */
#define PATH_ROOM (SJ_REFERENCE_MAX + PATH_MAX + 2048)

struct check {
    const struct sj_pages *request;
    struct sj_group group;
    int error; /* the first of the subtasks' that ends it */
};

struct batch {
    struct sj_task task; /* first */
    struct check *check;
    size_t first, end;
    struct sj_missing *missing;
    uint64_t n_unread;
    char *room; /* for content that is not held */
    size_t room_size;
};

/* One page, while its references are found. */
struct page {
    struct batch *batch;
    struct sj_entry *entry;
    struct sj_text base;
    char base_room[PATH_ROOM];
};

static void fail(struct check *check, int error)
{
    ck_pr_cas_int(&check->error, 0, error);
}

/* The load of the flag pairs with the store of whoever cancels.  Subtasks look at it and at the
 * error without order, only to end early; the join orders the last look. */
static bool goes_on(struct check *check)
{
    if (ck_pr_load_32(check->request->is_cancelled) != 0)
        fail(check, -ECANCELED);
    return ck_pr_load_int(&check->error) == 0;
}

static void push_missing(struct page *page, struct sj_text asset)
{
    struct sj_missing *made = malloc(sizeof(*made) + asset.length + 1);
    if (made == NULL) {
        fail(page->batch->check, -ENOMEM);
        return;
    }
    char *text = (char *)(made + 1);
    memcpy(text, asset.at, asset.length + 1);
    *made = (struct sj_missing){
        .asset = {text, asset.length}, .page = page->entry, .next = page->batch->missing};
    sj_entry_acquire(page->entry);
    page->batch->missing = made;
}

static void take_reference(void *argument, enum sj_reference_kind kind, struct sj_text url)
{
    struct page *page = argument;
    const struct sj_pages *request = page->batch->check->request;
    char room[PATH_ROOM];
    struct sj_text path = {room, 0};
    bool is_here = url.length + page->base.length + 2 <= sizeof(room) &&
                   sj_reference_resolve(url, page->base, room, &path);
    if (kind == SJ_REFERENCE_BASE) {
        memcpy(page->base_room, room, is_here ? path.length : 0);
        page->base = (struct sj_text){page->base_room, is_here ? path.length : 0};
    } else if (is_here && sj_settings_is_immutable(request->settings, path.at) &&
               sj_generation_find(request->generation, path.at, path.length) == NULL) {
        push_missing(page, path);
    }
}

/* Until `length` bytes: 0, -ESTALE when there are less, or another -errno. */
static int read_at(int descriptor, char *to, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t n = pread(descriptor, to + done, length - done, (off_t)done);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -ESTALE;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int read_by_name(const struct sj_entry *entry, const struct sj_file *file, char *to)
{
    struct sj_identity identity;
    const char *source = entry->representations[SJ_IDENTITY].source;
    int descriptor = sj_root_open(entry->root, source, &identity);
    if (descriptor < 0)
        return descriptor;
    int error = -ESTALE;
    if (sj_identity_keeps_content(&identity, &sj_on_disk(file)->identity))
        error = read_at(descriptor, to, file->length);
    close(descriptor);
    return error;
}

static int make_room(struct batch *batch, size_t size)
{
    if (size <= batch->room_size)
        return 0;
    char *room = realloc(batch->room, size);
    if (room == NULL)
        return -ENOMEM;
    batch->room = room;
    batch->room_size = size;
    return 0;
}

/* The page's content: held, or read into the batch's room. */
static int get_content(struct batch *batch, const struct sj_entry *entry, struct sj_text *content)
{
    const struct sj_file *file = entry->representations[SJ_IDENTITY].file;
    if (file->length > SJ_PAGE_MAX)
        return -EFBIG;
    *content = (struct sj_text){sj_file_bytes(file), file->length};
    if (content->at != NULL)
        return 0;
    int error = make_room(batch, file->length);
    if (error != 0)
        return error;
    content->at = batch->room;
    int descriptor = sj_file_descriptor(file);
    if (descriptor >= 0)
        return read_at(descriptor, batch->room, file->length);
    return read_by_name(entry, file, batch->room);
}

static void check_page(struct batch *batch, struct sj_entry *entry)
{
    struct sj_text content;
    struct page page;
    int error = get_content(batch, entry, &content);
    page.batch = batch;
    page.entry = entry;
    page.base = entry->path;
    if (error == 0)
        sj_references_find(content, take_reference, &page);
    else if (error == -ENOMEM)
        fail(batch->check, error);
    else
        batch->n_unread++;
}

static void run_batch(struct sj_task *task)
{
    struct batch *batch = (struct batch *)task;
    for (size_t i = batch->first; i < batch->end && goes_on(batch->check); i++)
        check_page(batch, batch->check->request->pages[i]);
    free(batch->room);
}

/* Where a batch that begins at `first` ends. */
static size_t end_of_batch(const struct sj_pages *request, size_t first)
{
    uint64_t bytes = 0;
    size_t end = first;
    while (end < request->n_pages && end - first < BATCH_PAGES && bytes < BATCH_BYTES)
        bytes += request->pages[end++]->representations[SJ_IDENTITY].file->length;
    return end;
}

/* Moves what a batch has found to the result. */
static void collect(struct batch *batch, struct sj_pages_result *result)
{
    struct sj_missing **end = &batch->missing;
    while (*end != NULL)
        end = &(*end)->next;
    *end = result->missing;
    result->missing = batch->missing;
    result->n_unread += batch->n_unread;
}

int sj_pages_check(const struct sj_pages *pages, struct sj_pages_result *result)
{
    struct check check = {.request = pages};
    size_t n_batches = 0;
    *result = (struct sj_pages_result){0};
    for (size_t first = 0; first < pages->n_pages; first = end_of_batch(pages, first))
        n_batches++;
    struct batch *batches = calloc(n_batches + 1, sizeof(*batches));
    if (batches == NULL)
        return -ENOMEM;
    sj_group_init(&check.group);
    for (size_t i = 0, first = 0; i < n_batches; first = batches[i++].end) {
        batches[i] = (struct batch){.task = {.run = run_batch},
                                    .check = &check,
                                    .first = first,
                                    .end = end_of_batch(pages, first)};
        sj_spawn(&check.group, &batches[i].task);
    }
    sj_join(&check.group);
    for (size_t i = 0; i < n_batches; i++)
        collect(&batches[i], result);
    free(batches);
    if (check.error != 0) {
        sj_missing_free(result->missing);
        result->missing = NULL;
    }
    return check.error;
}

void sj_missing_free(struct sj_missing *missing)
{
    while (missing != NULL) {
        struct sj_missing *next = missing->next;
        sj_entry_release(missing->page);
        free(missing);
        missing = next;
    }
}

bool sj_page_is(const struct sj_entry *entry)
{
    const struct sj_text html = SJ_TEXT("text/html");
    struct sj_text type = entry->type;
    if (entry->kind != SJ_ENTRY_FILE || type.length < html.length)
        return false;
    if (type.length > html.length && type.at[html.length] != ';' && type.at[html.length] != ' ')
        return false;
    return sj_text_equals_nocase((struct sj_text){type.at, html.length}, html);
}
