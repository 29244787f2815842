/* SPDX-License-Identifier: MIT */
/* Input: "METHOD target".  The grammar as expressions, then decoding and remove_dot_segments as
 * RFC 3986 section 5.2.4 writes them down. */
#include "tests/fuzz/fuzz.h"

#include "http/target.h"
#include "tests/http/head.h"

#define PATH_OCTET "([]A-Za-z0-9._~!$&'()*+,;=:@[|-]|" ESCAPE ")"
#define QUERY      "([]A-Za-z0-9._~!$&'()*+,;=:@/?{}|\\^`[-]|" ESCAPE ")*"
#define PATH_QUERY "((/" PATH_OCTET "*)*)(\\?" QUERY ")?"

static struct pattern origin_form = {.text = "^/" PATH_OCTET "*" PATH_QUERY "$"};
static struct pattern absolute_form = {.text =
                                           "^[Hh][Tt][Tt][Pp][Ss]?://" AUTHORITY PATH_QUERY "$"};
static struct pattern absolute_empty = {.text = "^[Hh][Tt][Tt][Pp][Ss]?://" AUTHORITY "$"};
static struct pattern authority_form = {.text = "^(\\[(" IPV6 "|" IP_FUTURE ")\\]|" REG_NAME
                                                "):[0-9]{1,5}$"};
static struct pattern authority = {.text = "^" AUTHORITY "$"};

static const struct {
    const char *name;
    enum sj_method method;
} methods[] = {{"GET ", SJ_GET}, {"CONNECT ", SJ_CONNECT}, {"OPTIONS ", SJ_OPTIONS}};

struct input {
    enum sj_method method;
    const char *raw;
    size_t length;
};

/* From the last "/" on, or all of it. */
static void remove_last_segment(char *output)
{
    char *slash = strrchr(output, '/');

    *(slash != NULL ? slash : output) = '\0';
}

static void replace_front(char *text, size_t length, const char *with)
{
    char *rest = strdup(text + length);

    assert(rest != NULL);
    strcpy(text, with);
    strcat(text, rest);
    free(rest);
}

/* Steps A to E; A and D do not happen to a path that begins with "/". */
static void remove_dot_segments(char *input, char *output)
{
    *output = '\0';
    while (*input != '\0') {
        if (strncmp(input, "/./", 3) == 0) {
            replace_front(input, 3, "/");
        } else if (strcmp(input, "/.") == 0) {
            replace_front(input, 2, "/");
        } else if (strncmp(input, "/../", 4) == 0) {
            replace_front(input, 4, "/");
            remove_last_segment(output);
        } else if (strcmp(input, "/..") == 0) {
            replace_front(input, 3, "/");
            remove_last_segment(output);
        } else {
            size_t segment = 1 + strcspn(input + 1, "/");

            strncat(output, input, segment);
            replace_front(input, segment, "");
        }
    }
}

/* Decodes what matched the grammar: 0, 400 for a NUL, else 404 for a slash. */
static int decode(const char *raw, size_t length, char *path)
{
    int status = 0;

    for (size_t i = 0; i < length; i++) {
        char octet = raw[i];

        if (octet == '%') {
            char digits[3] = {raw[i + 1], raw[i + 2], '\0'};

            octet = (char)strtoul(digits, NULL, 16);
            i += 2;
            if (octet == '\0')
                return 400;
            if (octet == '/')
                status = 404;
        }
        *path++ = octet;
    }
    *path = '\0';
    return status;
}

/* The status, and the path that is expected with 0. */
static int expect_path(const char *raw, size_t length, char *path)
{
    char *decoded = malloc(length + 1);
    int status;

    assert(decoded != NULL);
    status = decode(raw, length, decoded);
    if (status == 0)
        remove_dot_segments(decoded, path);
    free(decoded);
    return status;
}

static int expect_absolute(const struct input *input, char *path)
{
    size_t length = strcspn(input->raw, "?"), first;
    const char *slash;

    if (!matches(&absolute_form, input->raw, input->length))
        return 400;
    if (input->method == SJ_OPTIONS && matches(&absolute_empty, input->raw, input->length)) {
        strcpy(path, "*");
        return 0;
    }
    first = (size_t)(strstr(input->raw, "://") - input->raw) + 3;
    slash = memchr(input->raw + first, '/', length - first);
    if (slash == NULL) {
        strcpy(path, "/");
        return 0;
    }
    return expect_path(slash, length - (size_t)(slash - input->raw), path);
}

static int expect(const struct input *input, char *path)
{
    *path = '\0';
    if (input->method == SJ_CONNECT) {
        unsigned long port;

        if (!matches(&authority_form, input->raw, input->length))
            return 400;
        port = strtoul(strrchr(input->raw, ':') + 1, NULL, 10);
        return port > 0 && port < 65536 ? 0 : 400;
    }
    if (input->length == 1 && *input->raw == '*') {
        strcpy(path, "*");
        return input->method == SJ_OPTIONS ? 0 : 400;
    }
    if (input->length > 0 && input->raw[0] == '/')
        return matches(&origin_form, input->raw, input->length)
                   ? expect_path(input->raw, strcspn(input->raw, "?"), path)
                   : 400;
    return expect_absolute(input, path);
}

static void check(const struct input *input)
{
    char *raw = copy_exactly(input->raw, input->length), *room = malloc(input->length + 1);
    char *path = malloc(input->length + 2);
    const char *query = memchr(input->raw, '?', input->length);
    struct sj_target target;
    int status;

    assert(room != NULL && path != NULL);
    status = sj_target_parse(input->method, (struct sj_text){raw, input->length}, room, &target);
    assert(status == expect(input, path));
    assert(sj_authority_is_valid((struct sj_text){raw, input->length}) ==
           matches(&authority, input->raw, input->length));
    if (status == 0) {
        assert(target.path.at == room && room[target.path.length] == '\0');
        assert(target.path.length == strlen(path) && strcmp(target.path.at, path) == 0);
        assert((query == NULL) == (target.query.at == NULL));
        assert(query == NULL || target.query.at + target.query.length == raw + input->length);
    }
    free(raw);
    free(room);
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct input input = {SJ_GET, text, size};

    assert(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        if (strncmp(text, methods[i].name, strlen(methods[i].name)) == 0)
            input = (struct input){methods[i].method, text + strlen(methods[i].name),
                                   size - strlen(methods[i].name)};
    check(&input);
    free(text);
    return 0;
}
