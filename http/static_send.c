/* SPDX-License-Identifier: MIT */
#include "http/static_private.h"

#include "http/multipart.h"

/* Bodies up to here are copied behind their head: one piece is sent faster than two. */
#define SJ_COPIED 4096

/* Bodies in an arena are sent from there from so many octets on: for less a copy is cheaper. */
#define SJ_UNCOPIED 32768

static struct sj_output *output_of(const struct sj_step *step)
{
    return &step->exchange->output;
}

void sj_step_fail(const struct sj_step *step, int status)
{
    sj_response_error(step->composer, step->exchange, status);
}

static void write_cors(const struct sj_step *step)
{
    if (step->site->has_cors && !step->entry->has_origin)
        sj_write_literal(&step->composer->head, "Access-Control-Allow-Origin: *\r\n");
}

static bool has_variants(const struct sj_entry *entry)
{
    const struct sj_representation *of = entry->representations;

    return of[SJ_GZIP].file != NULL || of[SJ_BR].file != NULL || of[SJ_ZSTD].file != NULL;
}

/* What 200, 206 and 304 have in common (RFC 9110 section 15.4.5). */
static void begin(const struct sj_step *step, int status)
{
    sj_response_begin(step->composer, step->exchange, status);
    write_cors(step);
    sj_write_text(&step->composer->head, step->entry->fields);
    if (has_variants(step->entry))
        sj_write_literal(&step->composer->head, "Vary: Accept-Encoding\r\n");
    sj_response_field(step->composer, SJ_TEXT("ETag"), step->validators.etag);
}

static void begin_content(const struct sj_step *step, int status)
{
    begin(step, status);
    if (step->coding != SJ_IDENTITY)
        sj_response_field(step->composer, SJ_TEXT("Content-Encoding"),
                          sj_coding_names[step->coding]);
    sj_write_literal(&step->composer->head, "Accept-Ranges: bytes\r\n");
}

static void write_type(const struct sj_step *step)
{
    sj_response_field(step->composer, SJ_TEXT("Content-Type"), step->entry->type);
}

void sj_step_end(const struct sj_step *step)
{
    if (!sj_response_end(step->composer, step->exchange))
        sj_step_fail(step, 500);
}

/* The part, or the same octets of an arena's file: they cannot change, so there is nothing to
 * promise.  The file's room may only be looked at when its bytes are there. */
static void add_body(const struct sj_step *step, struct sj_part body)
{
    struct sj_output *output = output_of(step);
    const struct sj_room *room = NULL;

    if (body.bytes != NULL && body.length >= SJ_UNCOPIED)
        room = step->representation->file->room;
    if (room != NULL) {
        output->descriptor = room->descriptor;
        output->borrows_descriptor = true;
        body.bytes = NULL;
        body.first += room->first;
    }
    sj_output_add(output, body);
}

static void end_with_body(const struct sj_step *step, struct sj_part body)
{
    struct sj_output *output = output_of(step);
    struct sj_writer *head = &step->composer->head;

    if (!sj_response_end(step->composer, step->exchange)) {
        sj_step_fail(step, 500);
        return;
    }
    if (step->exchange->request.method == SJ_HEAD || body.length == 0)
        return;
    if (body.bytes != NULL && body.length <= SJ_COPIED &&
        (size_t)(head->end - head->at) >= body.length) {
        sj_write(head, body.bytes, body.length);
        output->parts[0].length += body.length;
    } else {
        add_body(step, body);
    }
}

void sj_step_send_not_modified(const struct sj_step *step)
{
    begin(step, 304);
    sj_step_end(step);
}

static void send_whole(const struct sj_step *step)
{
    uint64_t size = step->representation->file->length;

    begin_content(step, 200);
    write_type(step);
    sj_response_length(step->composer, size);
    end_with_body(step, (struct sj_part){.bytes = step->bytes, .length = size});
}

static void write_content_range(struct sj_writer *head, const struct sj_range *range, uint64_t size)
{
    sj_write_literal(head, "Content-Range: bytes ");
    if (range != NULL) {
        sj_write_number(head, range->first);
        sj_write_literal(head, "-");
        sj_write_number(head, range->first + range->length - 1);
    } else {
        sj_write_literal(head, "*");
    }
    sj_write_literal(head, "/");
    sj_write_number(head, size);
    sj_write_literal(head, "\r\n");
}

static void send_one_range(const struct sj_step *step, const struct sj_range *range)
{
    begin_content(step, 206);
    write_content_range(&step->composer->head, range, step->representation->file->length);
    write_type(step);
    sj_response_length(step->composer, range->length);
    end_with_body(step,
                  (struct sj_part){.bytes = step->bytes != NULL ? step->bytes + range->first : NULL,
                                   .first = range->first,
                                   .length = range->length});
}

static void send_ranges(const struct sj_step *step, const struct sj_range *ranges,
                        unsigned n_ranges)
{
    struct sj_multipart multipart = {.type = step->entry->type,
                                     .size = step->representation->file->length,
                                     .ranges = ranges,
                                     .n_ranges = n_ranges};
    struct sj_writer *head = &step->composer->head;
    uint64_t length;

    sj_multipart_init(&multipart, step->composer);
    length = sj_multipart_length(&multipart);
    if (length >= multipart.size) { /* the whole is cheaper for both */
        send_whole(step);
        return;
    }
    begin_content(step, 206);
    sj_write_literal(head, "Content-Type: multipart/byteranges; boundary=");
    sj_write(head, multipart.boundary, SJ_BOUNDARY_LENGTH);
    sj_write_literal(head, "\r\n");
    sj_response_length(step->composer, length);
    if (!sj_response_end(step->composer, step->exchange) ||
        sj_multipart_add(&multipart, step->exchange, step->bytes) != 0)
        sj_step_fail(step, 500);
}

static void send_unsatisfiable(const struct sj_step *step)
{
    struct sj_writer *head = &step->composer->head;

    sj_response_begin(step->composer, step->exchange, 416);
    write_cors(step);
    write_content_range(head, NULL, step->representation->file->length);
    sj_response_length(step->composer, 0);
    sj_step_end(step);
}

void sj_step_send_content(const struct sj_step *step)
{
    const struct sj_exchange *exchange = step->exchange;
    const struct sj_request *request = &exchange->request;
    struct sj_range ranges[SJ_RANGES_MAX];
    struct sj_text value;
    int n_ranges = 0;

    if (request->method == SJ_GET && sj_request_has(request, SJ_FIELD_RANGE) &&
        sj_request_single(request, exchange->buffer, SJ_FIELD_RANGE, &value) &&
        sj_conditional_allows_range(request, exchange->buffer, &step->validators,
                                    sj_composer_now(step->composer)))
        n_ranges = sj_ranges_parse(value, step->representation->file->length, ranges);
    if (n_ranges == -ERANGE)
        send_unsatisfiable(step);
    else if (n_ranges == 1)
        send_one_range(step, &ranges[0]);
    else if (n_ranges > 1)
        send_ranges(step, ranges, (unsigned)n_ranges);
    else
        send_whole(step);
}

void sj_step_send_changed(const struct sj_step *step, const struct sj_identity *identity)
{
    sj_response_begin(step->composer, step->exchange, 200);
    write_cors(step);
    sj_write_literal(&step->composer->head, "Cache-Control: no-store\r\n");
    write_type(step);
    sj_response_length(step->composer, identity->size);
    output_of(step)->promise.inode = 0;
    end_with_body(step, (struct sj_part){.bytes = NULL, .length = identity->size});
}

void sj_step_send_page(const struct sj_step *step, int status, uint64_t length)
{
    struct sj_writer *head = &step->composer->head;

    sj_response_begin(step->composer, step->exchange, status);
    if (status == 200) {
        write_cors(step);
        sj_write_literal(head, "Cache-Control: no-cache\r\n");
    } else {
        sj_write_literal(head, "Cache-Control: no-store\r\n");
    }
    write_type(step);
    sj_response_length(step->composer, length);
    end_with_body(step, (struct sj_part){.bytes = step->bytes, .length = length});
}
