/* SPDX-License-Identifier: MIT */
/* What a handler says of its answer: http/handler.h. */
#include "http/call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/blocking.h"
#include "http/octet.h"
#include "http/service.h"

#define SJ_CHUNK_FRAME 20 /* the size in hexadecimal, and two line ends */

bool sj_call_has_no_body(const struct sj_call *call)
{
    return call->request.method == SJ_HEAD || call->status == 204 || call->status == 205 ||
           call->status == 304;
}

void sj_blocks_free(struct sj_blocks *blocks)
{
    while (blocks->first != NULL) {
        struct sj_block *first = blocks->first;

        blocks->first = first->next;
        if (first->release != NULL)
            first->release(first->argument);
        free(first);
    }
    *blocks = (struct sj_blocks){0};
}

static void append(struct sj_blocks *blocks, struct sj_block *block)
{
    if (blocks->first == NULL)
        blocks->first = block;
    else
        blocks->last->next = block;
    blocks->last = block;
    blocks->n_blocks++;
    blocks->length += block->length;
}

/* With `room` octets of its own, which are its bytes. */
static struct sj_block *block_new(size_t room)
{
    struct sj_block *block = malloc(sizeof(*block) + room);

    if (block != NULL)
        *block = (struct sj_block){.bytes = block->own, .length = room};
    return block;
}

int sj_answer_status(struct sj_call *call, int status)
{
    if (status < 200 || status > 599)
        return -EINVAL;
    if (call->streams)
        return -EALREADY;
    call->status = status;
    return 0;
}

/* Those that say how the message travels, or that the server knows better. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"connection",        "content-length", "date",
                                       "keep-alive",        "server",         "trailer",
                                       "transfer-encoding", "upgrade"};

    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

static bool is_made_of(const char *text, unsigned classes)
{
    const char *end = text + strlen(text);

    return sj_octets_skip(text, end, classes) == end;
}

int sj_answer_field(struct sj_call *call, const char *name, const char *value)
{
    size_t length = strlen(name) + strlen(value) + 4;
    char *fields;

    if (*name == '\0' || !is_made_of(name, SJ_OCTET_TOKEN) || !is_made_of(value, SJ_OCTET_VALUE) ||
        is_ours(name))
        return -EINVAL;
    if (call->streams)
        return -EALREADY;
    if (call->n_field_octets + length > SJ_FIELDS_MOST)
        return -E2BIG;
    fields = realloc(call->fields, call->n_field_octets + length + 1); /* sprintf's NUL */
    if (fields == NULL)
        return -ENOMEM;
    call->fields = fields;
    sprintf(fields + call->n_field_octets, "%s: %s\r\n", name, value);
    call->n_field_octets += length;
    return 0;
}

int sj_answer_bytes(struct sj_call *call, const void *bytes, size_t length)
{
    struct sj_block *block;

    if (call->streams)
        return -EALREADY;
    if (length == 0)
        return 0;
    block = block_new(length);
    if (block == NULL)
        return -ENOMEM;
    memcpy(block->own, bytes, length);
    append(&call->fresh, block);
    return 0;
}

int sj_answer_text(struct sj_call *call, const char *text)
{
    return sj_answer_bytes(call, text, strlen(text));
}

int sj_answer_memory(struct sj_call *call, const void *bytes, size_t length,
                     void (*release)(void *argument), void *argument)
{
    bool is_nothing = call->streams || length == 0;
    struct sj_block *block = is_nothing ? NULL : block_new(0);

    if (block == NULL) {
        if (release != NULL)
            release(argument);
        return call->streams ? -EALREADY : length == 0 ? 0 : -ENOMEM;
    }
    block->bytes = bytes;
    block->length = length;
    block->release = release;
    block->argument = argument;
    append(&call->fresh, block);
    return 0;
}

int sj_answer_file(struct sj_call *call, int descriptor, uint64_t first, uint64_t length)
{
    struct sj_block *block = NULL;
    int error = call->streams ? -EALREADY : call->file >= 0 ? -EBUSY : 0;

    if (descriptor < 0)
        return -EBADF;
    if (error == 0)
        block = block_new(0);
    if (block == NULL) {
        close(descriptor);
        return error != 0 ? error : -ENOMEM;
    }
    block->bytes = NULL;
    block->first = first;
    block->length = length;
    call->file = descriptor;
    append(&call->fresh, block);
    return 0;
}

static bool is_framed(const struct sj_call *call)
{
    return call->request.minor > 0;
}

static struct sj_block *chunk_new(const void *bytes, size_t length, bool frames)
{
    struct sj_block *block = block_new(length + SJ_CHUNK_FRAME);
    int before;

    if (block == NULL)
        return NULL;
    before = frames ? sprintf(block->own, "%zx\r\n", length) : 0;
    memcpy(block->own + before, bytes, length);
    if (frames)
        memcpy(block->own + before + length, "\r\n", 2);
    block->length = (size_t)before + length + (frames ? 2 : 0);
    return block;
}

/* What came before the first chunk becomes one chunk itself.  0 or -ENOMEM. */
static int begin_stream(struct sj_call *call)
{
    struct sj_blocks before = call->fresh;
    struct sj_block *size = NULL, *end = NULL;

    if (sj_call_has_no_body(call)) {
        sj_blocks_free(&call->fresh);
    } else if (before.length > 0 && is_framed(call)) {
        size = block_new(SJ_CHUNK_FRAME);
        end = block_new(2);
        if (size == NULL || end == NULL) {
            free(size);
            free(end);
            return -ENOMEM;
        }
        size->length = (uint64_t)sprintf(size->own, "%llx\r\n", (unsigned long long)before.length);
        size->next = before.first;
        memcpy(end->own, "\r\n", 2);
        call->fresh.first = size;
        call->fresh.n_blocks++;
        call->fresh.length += size->length;
        append(&call->fresh, end);
    }
    call->streams = true;
    call->n_waiting = call->fresh.length;
    return 0;
}

static bool is_full(const struct sj_call *call)
{
    return call->n_waiting >= SJ_CHUNKS_MOST && !sj_call_is_over(call);
}

/* On a worker, with the lock, which others have meanwhile. */
static void wait_for_room(struct sj_call *call)
{
    pthread_mutex_unlock(&call->lock);
    sj_blocking_enter();
    pthread_mutex_lock(&call->lock);
    while (is_full(call))
        pthread_cond_wait(&call->drained, &call->lock);
    pthread_mutex_unlock(&call->lock);
    sj_blocking_leave();
    pthread_mutex_lock(&call->lock);
}

/* With the lock. */
static int put(struct sj_call *call, struct sj_block *block)
{
    int error = 0;

    if (sj_loop_self() == NULL && is_full(call))
        wait_for_room(call);
    if (sj_call_is_over(call))
        return -EPIPE;
    if (call->where == SJ_ON_LOOP && is_full(call))
        return -EAGAIN;
    if (!call->streams)
        error = begin_stream(call);
    if (error != 0)
        return error;
    if (block != NULL) {
        append(&call->fresh, block);
        call->n_waiting += block->length;
    }
    return 0;
}

/* With the lock: shall the owner be told?  A step on the connection's own quick task is sent when
 * it has ended, and until then nothing can be. */
static bool takes_notice(struct sj_call *call)
{
    if (call->is_noticed || (call->where != SJ_ON_LOOP && sj_loop_self() != NULL))
        return false;
    call->is_noticed = true;
    sj_call_acquire(call); /* the notice's own */
    return true;
}

int sj_answer_chunk(struct sj_call *call, const void *bytes, size_t length)
{
    struct sj_block *block = NULL;
    bool is_news;
    int error;

    if (length > 0 && !sj_call_has_no_body(call)) {
        block = chunk_new(bytes, length, is_framed(call));
        if (block == NULL)
            return -ENOMEM;
    }
    pthread_mutex_lock(&call->lock);
    error = put(call, block);
    is_news = error == 0 && takes_notice(call);
    pthread_mutex_unlock(&call->lock);
    if (is_news) /* not with the lock: who is woken wants it */
        sj_loop_post(call->owner->loop, &call->notice);
    if (error != 0)
        free(block);
    return error;
}

void sj_answer_when_room(struct sj_call *call, void (*room)(struct sj_call *call))
{
    call->room = room;
}
