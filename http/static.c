/* SPDX-License-Identifier: MIT */
#include "http/static.h"

#include <errno.h>
#include <unistd.h>

#include "http/conditional.h"
#include "http/multipart.h"
#include "http/negotiate.h"

/* Bodies up to here are copied behind their head: one piece is sent faster than two. */
#define SJ_COPIED 4096

/* One response on its way through the steps below. */
struct step {
    const struct sj_static *site;
    struct sj_composer *composer;
    struct sj_exchange *exchange;
    const struct sj_generation *generation;
    const struct sj_entry *entry;
    const struct sj_representation *representation;
    struct sj_validators validators;
    const char *bytes; /* of the body, or NULL: its file is open in the output */
    bool is_vanished;  /* the entry is of a deploy before this one */
};

static struct sj_output *output_of(const struct step *step)
{
    return &step->exchange->output;
}

static void fail(const struct step *step, int status)
{
    sj_response_error(step->composer, step->exchange, status);
}

static void write_cors(const struct step *step)
{
    if (step->site->has_cors && !step->entry->has_origin)
        sj_write_literal(&step->composer->head, "Access-Control-Allow-Origin: *\r\n");
}

/* What 200, 206 and 304 have in common, but for the ETag (RFC 9110 section 15.4.5). */
static void begin(const struct step *step, int status)
{
    sj_response_begin(step->composer, step->exchange, status);
    write_cors(step);
    sj_write_text(&step->composer->head, step->entry->fields);
}

static void begin_content(const struct step *step, int status)
{
    begin(step, status);
    sj_write_text(&step->composer->head, step->representation->fields);
    sj_write_literal(&step->composer->head, "Accept-Ranges: bytes\r\n");
}

static void write_type(const struct step *step)
{
    sj_response_field(step->composer, SJ_TEXT("Content-Type"), step->entry->type);
}

static void end(const struct step *step)
{
    if (!sj_response_end(step->composer, step->exchange))
        fail(step, 500);
}

static void end_with_body(const struct step *step, struct sj_part body)
{
    struct sj_output *output = output_of(step);
    struct sj_writer *head = &step->composer->head;

    if (!sj_response_end(step->composer, step->exchange)) {
        fail(step, 500);
        return;
    }
    if (step->exchange->request.method == SJ_HEAD || body.length == 0)
        return;
    if (body.bytes != NULL && body.length <= SJ_COPIED &&
        (size_t)(head->end - head->at) >= body.length) {
        sj_write(head, body.bytes, body.length);
        output->parts[0].length += body.length;
    } else {
        sj_output_add(output, body);
    }
}

static void send_not_modified(const struct step *step)
{
    begin(step, 304);
    sj_response_field(step->composer, SJ_TEXT("ETag"), step->representation->etag);
    end(step);
}

static void send_whole(const struct step *step)
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

static void send_one_range(const struct step *step, const struct sj_range *range)
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

static void send_ranges(const struct step *step, const struct sj_range *ranges, unsigned n_ranges)
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
        fail(step, 500);
}

static void send_unsatisfiable(const struct step *step)
{
    struct sj_writer *head = &step->composer->head;

    sj_response_begin(step->composer, step->exchange, 416);
    write_cors(step);
    write_content_range(head, NULL, step->representation->file->length);
    sj_response_length(step->composer, 0);
    end(step);
}

static void send_content(const struct step *step)
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

/* The file was edited in place since it was indexed, and the next index is on its way: what there
 * is now goes out under what is known of it now, without an ETag, ranges or caching. */
static void send_changed(const struct step *step, const struct sj_identity *identity)
{
    sj_response_begin(step->composer, step->exchange, 200);
    write_cors(step);
    sj_write_literal(&step->composer->head, "Cache-Control: no-store\r\n");
    write_type(step);
    sj_response_length(step->composer, identity->size);
    output_of(step)->promise.inode = 0;
    end_with_body(step, (struct sj_part){.bytes = NULL, .length = identity->size});
}

/* The descriptor that the file keeps, or one of the path's own; and the state that is open. */
static int open_file(const struct step *step, const struct sj_representation *representation,
                     struct sj_identity *identity)
{
    struct sj_output *output = output_of(step);
    struct stat status;

    output->borrows_descriptor = representation->file->descriptor >= 0;
    if (!output->borrows_descriptor)
        return sj_root_open(step->entry->root, representation->source, identity);
    if (fstat(representation->file->descriptor, &status) != 0)
        return -errno;
    sj_identity_of(&status, identity);
    return representation->file->descriptor;
}

static bool is_as_indexed(const struct sj_output *output, const struct sj_identity *identity)
{
    return output->borrows_descriptor ? sj_identity_keeps_content(&output->promise, identity)
                                      : sj_identity_equals(&output->promise, identity);
}

/* 0: the body is at hand, in memory or open and as it was indexed.  -ESTALE: open, but another
 * state of the file; `*identity` is that.  Or -errno of the opening. */
static int open_body(struct step *step, enum sj_coding coding, struct sj_identity *identity)
{
    const struct sj_representation *representation = &step->entry->representations[coding];
    struct sj_output *output = output_of(step);
    int descriptor;

    step->representation = representation;
    step->bytes = sj_file_bytes(representation->file);
    if (step->bytes != NULL || representation->file->length == 0)
        return 0;
    descriptor = open_file(step, representation, identity);
    if (descriptor < 0)
        return descriptor;
    output->descriptor = descriptor;
    output->promise = *identity;
    return is_as_indexed(output, &representation->file->identity) ? 0 : -ESTALE;
}

static int status_of(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -EINVAL: /* no longer a regular file */
    case -EXDEV:
    case -ELOOP:
        return 404;
    case -EACCES:
    case -EPERM:
        return 403;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
        return 503;
    default:
        return 500;
    }
}

/* The index is behind: what is on disk is not what it says.  Lack of descriptors or memory says
 * nothing about that, nor does an entry of before. */
static bool is_lack(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

static void suggest_reload(const struct step *step, int error)
{
    if (error != 0 && !is_lack(error) && !step->is_vanished)
        sj_index_suggest_reload(step->site->index);
}

/* An entry that is not what the URL names, whole, without validators or conditions: 404.html, or
 * the application's page with 200. */
static void send_instead(struct step *step, const struct sj_entry *entry, int status)
{
    struct sj_writer *head = &step->composer->head;
    struct sj_identity identity = entry->representations[SJ_IDENTITY].file->identity;
    int error;

    step->entry = entry;
    step->is_vanished = false;
    error = open_body(step, SJ_IDENTITY, &identity);
    suggest_reload(step, error);
    if (error != 0 && error != -ESTALE) {
        fail(step, status == 200 ? status_of(error) : status);
        return;
    }
    sj_response_begin(step->composer, step->exchange, status);
    if (status == 200) {
        write_cors(step);
        sj_write_literal(head, "Cache-Control: no-cache\r\n");
    } else {
        sj_write_literal(head, "Cache-Control: no-store\r\n");
    }
    write_type(step);
    sj_response_length(step->composer, identity.size);
    end_with_body(step, (struct sj_part){.bytes = step->bytes, .length = identity.size});
}

static void answer_not_found(struct step *step)
{
    const struct sj_entry *page = sj_generation_not_found(step->generation);

    sj_output_fini(output_of(step));
    if (page != NULL)
        send_instead(step, page, 404);
    else
        fail(step, 404);
}

static void send_file(struct step *step, enum sj_coding coding)
{
    struct sj_identity identity;
    int error = open_body(step, coding, &identity);

    suggest_reload(step, error);
    if (error == 0) {
        send_content(step);
    } else if (coding != SJ_IDENTITY && !is_lack(error)) {
        sj_output_fini(output_of(step)); /* a variant has gone: its original may still do */
        send_file(step, SJ_IDENTITY);
    } else if (error == -ESTALE) {
        send_changed(step, &identity);
    } else if (status_of(error) == 404) {
        answer_not_found(step);
    } else {
        fail(step, status_of(error));
    }
}

static void serve(struct step *step)
{
    const struct sj_request *request = &step->exchange->request;
    const char *head = step->exchange->buffer;
    enum sj_coding coding = SJ_IDENTITY;
    struct sj_codings codings;

    if (sj_request_has(request, SJ_FIELD_ACCEPT_ENCODING)) {
        sj_negotiate_codings(request, head, &codings);
        coding = sj_negotiate_choose(&codings, step->entry);
    }
    step->representation = &step->entry->representations[coding];
    step->validators.etag = step->representation->etag;
    step->validators.modified = step->entry->modified;
    switch (
        sj_conditional_check(request, head, &step->validators, sj_composer_now(step->composer))) {
    case 304:
        send_not_modified(step);
        break;
    case 412:
        fail(step, 412);
        break;
    default:
        send_file(step, coding);
    }
}

static void redirect(const struct step *step)
{
    const struct sj_text *query = &step->exchange->target.query;
    struct sj_writer *head = &step->composer->head;

    sj_response_begin(step->composer, step->exchange, 302);
    sj_write_literal(head, "Location: ");
    sj_write_text(head, step->entry->location);
    if (query->at != NULL) {
        sj_write_literal(head, "?");
        sj_write_text(head, *query);
    }
    sj_write_literal(head, "\r\n");
    sj_response_length(step->composer, 0);
    end(step);
}

/* RFC 9110 section 9.3.7, and the pre-flight of the Fetch standard. */
static void answer_options(const struct step *step)
{
    struct sj_writer *head = &step->composer->head;

    sj_response_begin(step->composer, step->exchange, 204);
    sj_write_literal(head, SJ_ALLOW);
    if (step->site->has_cors)
        sj_write_literal(head, "Access-Control-Allow-Origin: *\r\n"
                               "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
                               "Access-Control-Allow-Headers: *\r\n"
                               "Access-Control-Max-Age: 86400\r\n");
    end(step);
}

static bool has_extension(struct sj_text path)
{
    const char *slash = memrchr(path.at, '/', path.length);
    size_t before = slash != NULL ? (size_t)(slash - path.at) : 0;

    return memchr(path.at + before, '.', path.length - before) != NULL;
}

/* --spa: an unknown path that is not an asset's and wants a page gets the application's. */
static bool wants_fallback(const struct step *step)
{
    const struct sj_exchange *exchange = step->exchange;
    enum sj_method method = exchange->request.method;

    return (method == SJ_GET || method == SJ_HEAD) && !has_extension(exchange->target.path) &&
           sj_negotiate_wants_html(&exchange->request, exchange->buffer);
}

/* Pages that are still open, and caches, ask for what a deploy has removed. */
static const struct sj_entry *find(struct step *step, struct sj_text path)
{
    const struct sj_entry *entry = sj_generation_find(step->generation, path.at, path.length);

    if (entry == NULL) {
        entry = sj_index_find_vanished(step->site->index, path.at, path.length);
        step->is_vanished = entry != NULL;
    }
    return entry;
}

static void answer_unknown(struct step *step)
{
    const struct sj_entry *fallback = sj_generation_fallback(step->generation);

    if (fallback != NULL && wants_fallback(step))
        send_instead(step, fallback, 200);
    else
        answer_not_found(step);
}

static void answer_known(struct step *step)
{
    switch (step->exchange->request.method) {
    case SJ_GET:
    case SJ_HEAD:
        if (step->entry->kind == SJ_ENTRY_REDIRECT)
            redirect(step);
        else
            serve(step);
        break;
    case SJ_OPTIONS:
        answer_options(step);
        break;
    default:
        fail(step, 405);
    }
}

void sj_static_answer(const struct sj_static *site, const struct sj_generation *generation,
                      struct sj_composer *composer, struct sj_exchange *exchange)
{
    const struct sj_target *target = &exchange->target;
    struct step step = {
        .site = site, .composer = composer, .exchange = exchange, .generation = generation};

    if (exchange->status != 0) {
        fail(&step, exchange->status);
        return;
    }
    if (exchange->request.method == SJ_METHOD_UNKNOWN) {
        fail(&step, 501);
        return;
    }
    if (target->form == SJ_TARGET_ASTERISK) {
        answer_options(&step);
        return;
    }
    if (target->form == SJ_TARGET_AUTHORITY || exchange->request.method == SJ_TRACE) {
        fail(&step, 405);
        return;
    }
    step.entry = find(&step, target->path);
    if (step.entry != NULL)
        answer_known(&step);
    else
        answer_unknown(&step);
    /* the output holds on to it only if it cannot be sent at once: sj_output_keep */
    exchange->output.entry = (struct sj_entry *)(uintptr_t)step.entry;
}
