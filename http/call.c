/* SPDX-License-Identifier: MIT */
#include "http/call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/counted.h"
#include "core/lines.h"
#include "http/octet.h"
#include "http/service.h"

/* The same text in the copy. */
static struct sj_text moved(struct sj_text text, const char *from, const char *to)
{
    return (struct sj_text){text.at != NULL ? to + (text.at - from) : NULL, text.length};
}

/* Every name and value in the copy ends where something stood that nobody needs. */
static void end_texts(struct sj_call *call)
{
    const struct sj_request *request = &call->request;
    char *head = call->head;

    head[request->method_name.first + request->method_name.length] = '\0';
    head[request->target.first + request->target.length] = '\0';
    for (uint32_t i = 0; i < request->n_fields; i++) {
        const struct sj_field *field = &request->fields[i];

        head[field->name.first + field->name.length] = '\0';
        head[field->value.first + field->value.length] = '\0';
    }
}

/* One block: the struct, the fields, the head with its decoded target. */
struct sj_call *sj_call_new(struct sj_shard *owner, struct sj_route *route,
                            const struct sj_exchange *exchange)
{
    const struct sj_request *request = &exchange->request;
    size_t fields = request->n_fields * sizeof(struct sj_field);
    size_t octets = sj_exchange_size(request->head_length);
    struct sj_call *call = sj_lines_new(sizeof(*call) + fields + octets);

    if (call == NULL)
        return NULL;
    call->references = 1;
    call->owner = owner;
    call->route = route;
    call->request = *request;
    call->request.fields = (struct sj_field *)(call + 1);
    call->head = (char *)(call + 1) + fields;
    memcpy(call->request.fields, request->fields, fields);
    memcpy(call->head, exchange->buffer, octets < exchange->capacity ? octets : exchange->capacity);
    call->target = exchange->target;
    call->target.path = moved(exchange->target.path, exchange->buffer, call->head);
    call->target.query = moved(exchange->target.query, exchange->buffer, call->head);
    end_texts(call);
    call->body.file = -1;
    call->file = -1;
    call->status = 200;
    call->step = route->handler->handle;
    call->where = route->handler->kind == SJ_ASYNC ? SJ_ON_LOOP : SJ_ON_WORKER;
    pthread_mutex_init(&call->lock, NULL);
    pthread_cond_init(&call->drained, NULL);
    return call;
}

void sj_call_acquire(struct sj_call *call)
{
    sj_counted_acquire(&call->references);
}

static void free_parameters(struct sj_call *call)
{
    while (call->parameters != NULL) {
        struct sj_parameter *first = call->parameters;

        call->parameters = first->next;
        free(first);
    }
}

static void close_body(struct sj_call *call)
{
    close(call->body.file);
    ck_pr_dec_64(&call->owner->service->n_body_files);
}

void sj_call_release(struct sj_call *call)
{
    if (!sj_counted_release(&call->references))
        return;
    sj_blocks_free(&call->fresh);
    sj_blocks_free(&call->sending);
    sj_call_set_state(call, NULL, NULL);
    free_parameters(call);
    free(call->body.bytes);
    free(call->fields);
    free(call->parts);
    if (call->body.file >= 0)
        close_body(call);
    if (call->file >= 0)
        close(call->file);
    pthread_cond_destroy(&call->drained);
    pthread_mutex_destroy(&call->lock);
    free(call);
}

static int write_all(int file, const char *from, size_t length, uint64_t first)
{
    while (length > 0) {
        ssize_t written = pwrite(file, from, length, (off_t)first);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written == 0 ? -ENOSPC : -errno;
        from += written;
        first += (uint64_t)written;
        length -= (size_t)written;
    }
    return 0;
}

/* Without a name from the start, where the file system can. */
static int open_temporary(void)
{
    const char *directory = getenv("TMPDIR");
    char path[4096];
    int file;

    if (directory == NULL || directory[0] != '/' || strlen(directory) > sizeof(path) - 32)
        directory = "/tmp";
    file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (file >= 0)
        return file;
    strcpy(path, directory);
    strcat(path, "/scrubjay-XXXXXX");
    file = mkostemp(path, O_CLOEXEC);
    if (file < 0)
        return -errno;
    unlink(path);
    return file;
}

/* Uploads have their own share of descriptors, so that connections find theirs. */
static int open_body(struct sj_service *service)
{
    int file = -EMFILE;

    if (ck_pr_faa_64(&service->n_body_files, 1) < service->max_body_files)
        file = open_temporary();
    if (file < 0)
        ck_pr_dec_64(&service->n_body_files);
    return file;
}

static int move_to_file(struct sj_call *call)
{
    struct sj_body *body = &call->body;
    int error;

    body->file = open_body(call->owner->service);
    if (body->file < 0)
        return body->file;
    error = write_all(body->file, body->bytes, (size_t)body->length, 0);
    free(body->bytes);
    body->bytes = NULL;
    return error;
}

static int grow(struct sj_body *body, size_t needed)
{
    size_t capacity = body->capacity < 1024 ? 1024 : body->capacity;
    char *bytes;

    while (capacity < needed)
        capacity *= 2;
    bytes = realloc(body->bytes, capacity);
    if (bytes == NULL)
        return -ENOMEM;
    body->bytes = bytes;
    body->capacity = capacity;
    return 0;
}

int sj_call_add_body(struct sj_call *call, const char *from, size_t length)
{
    struct sj_body *body = &call->body;
    int error = 0;

    if (body->file < 0 && body->length + length > SJ_BODY_IN_MEMORY)
        error = move_to_file(call);
    if (error == 0 && body->file >= 0)
        error = write_all(body->file, from, length, body->length);
    else if (error == 0 && body->length + length + 1 > body->capacity)
        error = grow(body, body->length + length + 1); /* with a NUL behind it */
    if (error != 0)
        return error;
    if (body->file < 0) {
        memcpy(body->bytes + body->length, from, length);
        body->bytes[body->length + length] = '\0';
    }
    body->length += length;
    return 0;
}

const char *sj_call_method(const struct sj_call *call)
{
    return call->head + call->request.method_name.first;
}

const char *sj_call_path(const struct sj_call *call)
{
    return call->target.path.at;
}

const char *sj_call_rest(const struct sj_call *call)
{
    return call->target.path.at + call->route->prefix.length;
}

const char *sj_call_query(const struct sj_call *call)
{
    return call->target.query.at;
}

static int hex(char octet)
{
    return sj_octet_is(octet, SJ_OCTET_HEX) ? (int)sj_octet_hex(octet) : -1;
}

/* An escape that is none stands for itself. */
static char decode_one(const char **at, const char *end)
{
    const char *from = (*at)++;

    if (*from == '+')
        return ' ';
    if (*from == '%' && end - from > 2 && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
        *at += 2;
        return (char)(hex(from[1]) * 16 + hex(from[2]));
    }
    return *from;
}

static bool is_named(const char *at, const char *end, const char *name)
{
    while (at < end && *name != '\0')
        if (decode_one(&at, end) != *name++)
            return false;
    return at == end && *name == '\0';
}

static const char *keep_parameter(struct sj_call *call, const char *at, const char *end)
{
    struct sj_parameter *parameter = malloc(sizeof(*parameter) + (size_t)(end - at) + 1);
    char *to;

    if (parameter == NULL)
        return NULL;
    for (to = parameter->value; at < end; to++)
        *to = decode_one(&at, end);
    *to = '\0';
    if (strlen(parameter->value) != (size_t)(to - parameter->value)) { /* a text cannot say it */
        free(parameter);
        return NULL;
    }
    parameter->next = call->parameters;
    call->parameters = parameter;
    return parameter->value;
}

const char *sj_call_parameter(struct sj_call *call, const char *name)
{
    const char *at = call->target.query.at;

    while (at != NULL) {
        const char *end = at + strcspn(at, "&");
        const char *equals = memchr(at, '=', (size_t)(end - at));

        if (is_named(at, equals != NULL ? equals : end, name))
            return equals != NULL ? keep_parameter(call, equals + 1, end) : "";
        at = *end == '&' ? end + 1 : NULL;
    }
    return NULL;
}

int sj_call_number(struct sj_call *call, const char *name, uint64_t most, uint64_t *number)
{
    const char *text = sj_call_parameter(call, name);
    uint64_t read = 0;

    if (text == NULL)
        return -ENOENT;
    if (*text == '\0')
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (!sj_octet_is_digit(*text))
            return -EINVAL;
        if (__builtin_mul_overflow(read, 10, &read) ||
            __builtin_add_overflow(read, (uint64_t)(*text - '0'), &read) || read > most)
            return -ERANGE;
    }
    *number = read;
    return 0;
}

const char *sj_call_field(const struct sj_call *call, const char *name)
{
    const char *other, *value;

    for (unsigned i = 0; sj_call_field_at(call, i, &other, &value); i++)
        if (strcasecmp(name, other) == 0)
            return value;
    return NULL;
}

bool sj_call_field_at(const struct sj_call *call, unsigned index, const char **name,
                      const char **value)
{
    if (index >= call->request.n_fields)
        return false;
    *name = call->head + call->request.fields[index].name.first;
    *value = call->head + call->request.fields[index].value.first;
    return true;
}

uint64_t sj_call_body_length(const struct sj_call *call)
{
    return call->body.length;
}

const char *sj_call_body_memory(const struct sj_call *call)
{
    if (call->body.file >= 0)
        return NULL;
    return call->body.bytes != NULL ? call->body.bytes : "";
}

int sj_call_body_file(const struct sj_call *call)
{
    return call->body.file;
}

ssize_t sj_call_body_read(const struct sj_call *call, uint64_t first, void *to, size_t room)
{
    const struct sj_body *body = &call->body;
    uint64_t left = first < body->length ? body->length - first : 0;
    ssize_t got;

    if (room > left)
        room = (size_t)left;
    if (body->file < 0) {
        memcpy(to, sj_call_body_memory(call) + (left > 0 ? first : 0), room);
        return (ssize_t)room;
    }
    do
        got = pread(body->file, to, room, (off_t)first);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

void *sj_call_context(const struct sj_call *call)
{
    return call->route->module->context;
}

/* Alone: whoever sees it late works for nobody a little longer. */
bool sj_call_is_over(const struct sj_call *call)
{
    return ck_pr_load_uint(&call->is_over) != 0;
}

void sj_call_set_state(struct sj_call *call, void *state, void (*release)(void *state))
{
    void (*before)(void *state) = call->release;
    void *old = call->state;

    call->state = state;
    call->release = release;
    if (before != NULL)
        before(old);
}

void *sj_call_state(const struct sj_call *call)
{
    return call->state;
}
