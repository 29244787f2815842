/* SPDX-License-Identifier: MIT */
/* Input: what a client sends.  In one piece and octet by octet it must come out the same; a head
 * must be taken exactly when it matches the grammar; its parts must make up the whole again. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "tests/http/head.h"

static const struct sj_request_limits wide = {8192, HEAD_FIELDS, 32768};
static const struct sj_request_limits narrow = {40, 3, 60};

static struct pattern head_pattern = {.text = "^(\r\n){0,4}" TOKEN_OCTET
                                              "{1,32} [!-~]+ HTTP/1\\.[0-9]\r\n"
                                              "(" TOKEN_OCTET "+:" VALUE_OCTET "*\r\n)*\r\n"};
static struct pattern version_1_0 = {.text = "^(\r\n)*[^\r]* HTTP/1\\.0\r\n"};
static struct pattern host_line = {.text = "\r\n[Hh][Oo][Ss][Tt]:"};
static struct pattern host_valid = {.text = "\r\n[Hh][Oo][Ss][Tt]:" OWS AUTHORITY OWS "\r\n"};

static void assert_same(const struct head *a, const struct head *b)
{
    struct sj_request request = b->request;

    request.fields = a->request.fields;
    request.scanned = a->request.scanned;
    assert(memcmp(&a->request, &request, sizeof(request)) == 0);
    assert(memcmp(a->fields, b->fields, request.n_fields * sizeof(*a->fields)) == 0);
}

/* The buffer moves at each step, and the end of its memory is the end of what has come. */
static int parse_by_octets(struct head *head, const struct sj_request_limits *limits,
                           const char *text, size_t length)
{
    int status = -EAGAIN;

    for (size_t n = 0; n <= length && status == -EAGAIN; n++) {
        char *copy = copy_exactly(text, n);
        uint32_t parsed = head->request.parsed;

        status = sj_request_parse(&head->request, limits, copy, n);
        assert(head->request.parsed >= parsed && head->request.parsed <= n);
        free(copy);
    }
    return status;
}

static int parse_both(struct head *whole, const struct sj_request_limits *limits, const char *text,
                      size_t length)
{
    struct head octets;
    int status;

    memset(whole, 0, sizeof(*whole));
    memset(&octets, 0, sizeof(octets));
    whole->request.fields = whole->fields;
    octets.request.fields = octets.fields;
    sj_request_reset(&whole->request);
    sj_request_reset(&octets.request);
    status = sj_request_parse(&whole->request, limits, text, length);
    assert(parse_by_octets(&octets, limits, text, length) == status);
    assert_same(whole, &octets);
    return status;
}

static size_t skip_text(const char *text, size_t at, const char *expected)
{
    assert(memcmp(text + at, expected, strlen(expected)) == 0);
    return at + strlen(expected);
}

static void assert_covers(const struct sj_request *request, const char *text)
{
    size_t at = request->line.first + request->line.length;

    at = skip_text(text, at, "\r\n");
    for (uint32_t i = 0; i < request->n_fields; i++) {
        const struct sj_field *field = &request->fields[i];

        assert(field->name.first == at && field->name.length > 0);
        at = skip_text(text, at + field->name.length, ":");
        for (; at < field->value.first; at++)
            assert(text[at] == ' ' || text[at] == '\t');
        assert(at == field->value.first);
        for (at += field->value.length; text[at] == ' ' || text[at] == '\t';)
            at++;
        at = skip_text(text, at, "\r\n");
    }
    assert(skip_text(text, at, "\r\n") == request->head_length);
}

static bool is_host_right(const char *text, size_t length)
{
    regmatch_t first, second;

    if (!find(&host_line, text, length, &first))
        return find(&version_1_0, text, length, &second);
    return !find(&host_line, text + first.rm_eo, length - (size_t)first.rm_eo, &second) &&
           find(&host_valid, text, length, &second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct head head;
    regmatch_t match;
    bool is_head = find(&head_pattern, text, size, &match);
    int status = parse_both(&head, &wide, text, size);

    if (status == 0) {
        assert(is_head && (size_t)match.rm_eo >= head.request.head_length);
        assert_covers(&head.request, text);
        assert(is_host_right(text, head.request.head_length));
    } else if (is_head && status != 431 && status != 414) {
        const char *end = memmem(text + 8, size - 8, "\r\n\r\n", 4);

        assert(status == 400 && !is_host_right(text, (size_t)(end + 4 - text)));
    }
    parse_both(&head, &narrow, text, size);
    return 0;
}
