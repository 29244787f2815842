/* SPDX-License-Identifier: MIT */
#include "http/static_private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "http/negotiate.h"

/* The descriptor that the file keeps, or one of the path's own; and the state that is open. */
static int open_file(const struct sj_step *step, const struct sj_representation *representation,
                     struct sj_identity *identity)
{
    struct sj_output *output = &step->exchange->output;
    struct stat status;
    int descriptor = sj_file_descriptor(representation->file);

    output->borrows_descriptor = descriptor >= 0;
    if (!output->borrows_descriptor)
        return sj_root_open(step->entry->root, representation->source, identity);
    if (fstat(descriptor, &status) != 0)
        return -errno;
    sj_identity_of(&status, identity);
    return descriptor;
}

static bool is_as_indexed(const struct sj_output *output, const struct sj_identity *identity)
{
    return output->borrows_descriptor ? sj_identity_keeps_content(&output->promise, identity)
                                      : sj_identity_equals(&output->promise, identity);
}

/* The one that is to be sent, with its validators. */
static void represent(struct sj_step *step, enum sj_coding coding)
{
    step->coding = coding;
    step->representation = &step->entry->representations[coding];
    step->validators.etag = sj_etag(step->etag, step->representation->file->digest, coding);
    step->validators.modified = step->entry->modified;
}

/* 0: the body is at hand, in memory or open and as it was indexed.  -ESTALE: open, but another
 * state of the file; `*identity` is that.  Or -errno of the opening. */
static int open_body(struct sj_step *step, struct sj_identity *identity)
{
    const struct sj_representation *representation = step->representation;
    struct sj_output *output = &step->exchange->output;
    int descriptor;

    step->bytes = sj_file_bytes(representation->file);
    if (step->bytes != NULL || representation->file->length == 0)
        return 0;
    descriptor = open_file(step, representation, identity);
    if (descriptor < 0)
        return descriptor;
    output->descriptor = descriptor;
    output->promise = *identity;
    return is_as_indexed(output, &sj_on_disk(representation->file)->identity) ? 0 : -ESTALE;
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

static void suggest_reload(const struct sj_step *step, int error)
{
    if (error != 0 && !is_lack(error) && !step->is_vanished)
        sj_index_suggest_reload(step->site->index);
}

/* An entry that is not what the URL names, whole, without validators or conditions: 404.html, or
 * the application's page with 200. */
static void send_instead(struct sj_step *step, const struct sj_entry *entry, int status)
{
    struct sj_identity identity = sj_on_disk(entry->representations[SJ_IDENTITY].file)->identity;
    int error;

    step->entry = entry;
    step->is_vanished = false;
    represent(step, SJ_IDENTITY);
    error = open_body(step, &identity);
    suggest_reload(step, error);
    if (error != 0 && error != -ESTALE) {
        sj_step_fail(step, status == 200 ? status_of(error) : status);
        return;
    }
    sj_step_send_page(step, status, identity.size);
}

static void answer_not_found(struct sj_step *step)
{
    const struct sj_entry *page = sj_generation_not_found(step->generation);

    sj_output_fini(&step->exchange->output);
    if (page != NULL)
        send_instead(step, page, 404);
    else
        sj_step_fail(step, 404);
}

static void send_file(struct sj_step *step)
{
    struct sj_identity identity;
    int error = open_body(step, &identity);

    suggest_reload(step, error);
    if (error == 0) {
        sj_step_send_content(step);
    } else if (step->coding != SJ_IDENTITY && !is_lack(error)) {
        sj_output_fini(&step->exchange->output); /* a variant has gone: its original may still do */
        represent(step, SJ_IDENTITY);
        send_file(step);
    } else if (error == -ESTALE) {
        sj_step_send_changed(step, &identity);
    } else if (status_of(error) == 404) {
        answer_not_found(step);
    } else {
        sj_step_fail(step, status_of(error));
    }
}

static void serve(struct sj_step *step)
{
    const struct sj_request *request = &step->exchange->request;
    const char *head = step->exchange->buffer;
    enum sj_coding coding = SJ_IDENTITY;
    struct sj_codings codings;

    if (sj_request_has(request, SJ_FIELD_ACCEPT_ENCODING)) {
        sj_negotiate_codings(request, head, &codings);
        coding = sj_negotiate_choose(&codings, step->entry);
    }
    represent(step, coding);
    switch (
        sj_conditional_check(request, head, &step->validators, sj_composer_now(step->composer))) {
    case 304:
        sj_step_send_not_modified(step);
        break;
    case 412:
        sj_step_fail(step, 412);
        break;
    default:
        send_file(step);
    }
}

static void redirect(const struct sj_step *step)
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
    sj_step_end(step);
}

/* RFC 9110 section 9.3.7, and the pre-flight of the Fetch standard. */
static void answer_options(const struct sj_step *step)
{
    struct sj_writer *head = &step->composer->head;

    sj_response_begin(step->composer, step->exchange, 204);
    sj_write_literal(head, SJ_ALLOW);
    if (step->site->has_cors)
        sj_write_literal(head, "Access-Control-Allow-Origin: *\r\n"
                               "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
                               "Access-Control-Allow-Headers: *\r\n"
                               "Access-Control-Max-Age: 86400\r\n");
    sj_step_end(step);
}

static bool has_extension(struct sj_text path)
{
    const char *slash = memrchr(path.at, '/', path.length);
    size_t before = slash != NULL ? (size_t)(slash - path.at) : 0;

    return memchr(path.at + before, '.', path.length - before) != NULL;
}

/* --spa: an unknown path that is not an asset's and wants a page gets the application's. */
static bool wants_fallback(const struct sj_step *step)
{
    const struct sj_exchange *exchange = step->exchange;
    enum sj_method method = exchange->request.method;

    return (method == SJ_GET || method == SJ_HEAD) && !has_extension(exchange->target.path) &&
           sj_negotiate_wants_html(&exchange->request, exchange->buffer);
}

/* Pages that are still open, and caches, ask for what a deploy has removed.  Before the first build
 * there is nothing but what is known from the last run. */
static const struct sj_entry *find(struct sj_step *step, struct sj_text path)
{
    const struct sj_entry *entry = sj_generation_find(step->generation, path.at, path.length);

    if (entry == NULL && !sj_generation_is_built(step->generation)) {
        entry = sj_index_find_early(step->site->index, step->generation, path.at, path.length);
        step->is_early = entry != NULL;
    } else if (entry == NULL) {
        entry = sj_index_find_vanished(step->site->index, path.at, path.length);
        step->is_vanished = entry != NULL;
    }
    return entry;
}

static void answer_unknown(struct sj_step *step)
{
    const struct sj_entry *fallback = sj_generation_fallback(step->generation);

    if (fallback != NULL && wants_fallback(step))
        send_instead(step, fallback, 200);
    else
        answer_not_found(step);
}

static void answer_known(struct sj_step *step)
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
        sj_step_fail(step, 405);
    }
}

/* What needs no entry: true, and it is answered. */
static bool answer_without(const struct sj_step *step)
{
    const struct sj_exchange *exchange = step->exchange;
    enum sj_target_form form = exchange->target.form;

    if (exchange->status != 0)
        sj_step_fail(step, exchange->status);
    else if (exchange->request.method == SJ_METHOD_UNKNOWN)
        sj_step_fail(step, 501);
    else if (form == SJ_TARGET_ASTERISK)
        answer_options(step);
    else if (form == SJ_TARGET_AUTHORITY || exchange->request.method == SJ_TRACE)
        sj_step_fail(step, 405);
    else
        return false;
    return true;
}

int sj_static_answer(const struct sj_static *site, const struct sj_generation *generation,
                     struct sj_composer *composer, struct sj_exchange *exchange)
{
    struct sj_step step = {
        .site = site, .composer = composer, .exchange = exchange, .generation = generation};

    if (answer_without(&step))
        return 0;
    step.entry = find(&step, exchange->target.path);
    if (step.entry != NULL)
        answer_known(&step);
    else if (sj_generation_is_built(generation))
        answer_unknown(&step);
    else
        return -EAGAIN;
    /* the output holds on to it only if it cannot be sent at once: sj_output_keep */
    exchange->output.entry = (struct sj_entry *)(uintptr_t)step.entry;
    exchange->output.holds_entry = step.is_early;
    return 0;
}
