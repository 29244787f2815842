/* SPDX-License-Identifier: MIT */
/* Answers of calls become outputs of exchanges.  See http/call.h. */
#include "http/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bodies up to here are copied behind their head: one piece is sent faster than two. */
#define SJ_COPIED 4096

/* The body's length is known unless it streams.  RFC 9110 section 8.6: none with 204 and, as it
 * would have to be the 200's, none with 304; but a 205 ends where its length says, section 15.3.6.
 */
static void write_framing(const struct sj_call *call, struct sj_composer *composer,
                          const struct sj_exchange *exchange)
{
    if (call->status == 204 || call->status == 304)
        return;
    if (call->status == 205)
        sj_response_length(composer, 0);
    else if (!call->streams)
        sj_response_length(composer, call->sending.length);
    else if (exchange->request.minor > 0)
        sj_write_literal(&composer->head, "Transfer-Encoding: chunked\r\n");
}

/* The blocks that are there, but none whose body is left out. */
static void take_fresh(struct sj_call *call)
{
    pthread_mutex_lock(&call->lock);
    call->sending = call->fresh;
    call->fresh = (struct sj_blocks){0};
    pthread_mutex_unlock(&call->lock);
}

static bool has_room(struct sj_call *call, unsigned n_parts)
{
    struct sj_part *parts;

    if (n_parts <= call->n_parts_room)
        return true;
    parts = realloc(call->parts, n_parts * sizeof(*parts));
    if (parts == NULL)
        return false;
    call->parts = parts;
    call->n_parts_room = n_parts;
    return true;
}

static void add_parts(const struct sj_call *call, struct sj_output *output)
{
    for (const struct sj_block *block = call->sending.first; block != NULL; block = block->next)
        output->parts[output->n_parts++] =
            (struct sj_part){.bytes = block->bytes, .first = block->first, .length = block->length};
    if (call->file >= 0) {
        output->descriptor = call->file;
        output->borrows_descriptor = true;
    }
}

/* Behind the head in scratch memory, so that both are one part. */
static bool copy_body(const struct sj_call *call, struct sj_composer *composer,
                      struct sj_output *output)
{
    struct sj_writer *head = &composer->head;

    if (call->sending.length > SJ_COPIED || call->file >= 0 ||
        (size_t)(head->end - head->at) < call->sending.length)
        return false;
    for (const struct sj_block *block = call->sending.first; block != NULL; block = block->next)
        sj_write(head, block->bytes, (size_t)block->length);
    output->parts[0].length += call->sending.length;
    return true;
}

static bool compose_body(struct sj_call *call, struct sj_composer *composer,
                         struct sj_output *output)
{
    struct sj_part head = output->parts[0];

    if (sj_call_has_no_body(call) || call->sending.n_blocks == 0)
        return true;
    if (!call->streams && copy_body(call, composer, output))
        return true;
    if (!has_room(call, call->sending.n_blocks + 1))
        return false;
    output->parts = call->parts;
    output->parts[0] = head;
    add_parts(call, output);
    return true;
}

static bool compose(struct sj_call *call, struct sj_composer *composer,
                    struct sj_exchange *exchange)
{
    if (call->streams && exchange->request.minor == 0)
        exchange->closes = true;
    sj_response_begin(composer, exchange, call->status);
    if (call->n_field_octets > 0)
        sj_write(&composer->head, call->fields, call->n_field_octets);
    write_framing(call, composer, exchange);
    return sj_response_end(composer, exchange) && compose_body(call, composer, &exchange->output);
}

void sj_call_compose(struct sj_call *call, struct sj_composer *composer,
                     struct sj_exchange *exchange)
{
    int status = 500;

    call->has_begun = true;
    if (call->streams || call->result == 0) {
        call->has_last = !call->streams;
        take_fresh(call);
        if (compose(call, composer, exchange))
            return;
    } else if (call->result >= 400 && call->result <= 599) {
        status = call->result;
    }
    call->has_last = true;
    sj_response_error(composer, exchange, status);
}

/* What has been sent is freed; who waited for that is told. */
static void free_sent(struct sj_call *call)
{
    void (*room)(struct sj_call * call) = NULL;
    uint64_t length = call->sending.length;

    sj_blocks_free(&call->sending);
    pthread_mutex_lock(&call->lock);
    call->n_waiting -= length < call->n_waiting ? length : call->n_waiting;
    if (call->n_waiting < SJ_CHUNKS_MOST / 2) {
        pthread_cond_broadcast(&call->drained);
        room = call->is_pending ? call->room : NULL;
    }
    pthread_mutex_unlock(&call->lock);
    if (room != NULL) {
        call->room = NULL;
        room(call);
    }
}

static void reset(struct sj_output *output, struct sj_part *parts)
{
    output->parts = parts;
    output->n_parts = 0;
    output->at = 0;
}

/* RFC 9112 section 7.1: the last chunk, after all others. */
static enum sj_output_state end_body(struct sj_call *call, struct sj_exchange *exchange)
{
    if (call->result != 0)
        return SJ_OUTPUT_FAILED;
    call->has_last = true;
    if (sj_call_has_no_body(call) || exchange->request.minor == 0)
        return SJ_OUTPUT_DONE;
    reset(&exchange->output, exchange->output.own_parts);
    sj_output_add(&exchange->output, (struct sj_part){.bytes = "0\r\n\r\n", .length = 5});
    return SJ_OUTPUT_WAITS;
}

enum sj_output_state sj_call_compose_more(struct sj_call *call, struct sj_exchange *exchange)
{
    bool is_ended = call->is_ended; /* before the look: all chunks come before the end */

    if (call->has_last)
        return SJ_OUTPUT_DONE;
    free_sent(call);
    take_fresh(call);
    if (call->sending.n_blocks == 0)
        return is_ended ? end_body(call, exchange) : SJ_OUTPUT_DONE;
    if (!has_room(call, call->sending.n_blocks))
        return SJ_OUTPUT_FAILED;
    reset(&exchange->output, call->parts);
    add_parts(call, &exchange->output);
    return SJ_OUTPUT_WAITS;
}

bool sj_call_has_news(struct sj_call *call)
{
    bool has_news;

    pthread_mutex_lock(&call->lock);
    has_news = call->is_ended || (call->streams && (call->fresh.n_blocks > 0 || !call->has_begun));
    pthread_mutex_unlock(&call->lock);
    return has_news;
}
