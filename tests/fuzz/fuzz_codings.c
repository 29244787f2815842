/* SPDX-License-Identifier: MIT */
/* Input: values of Accept-Encoding, a line each.  The grammar of an element as an expression, its
 * quality by strtod.  The same lines as Accept must only be survived. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

#include "http/negotiate.h"
#include "tests/http/head.h"

#define NAME_LENGTH_MAX 16
#define N_NAMES         6
#define UNLISTED        (-1)

static struct pattern element = {.text = "^" TOKEN_OCTET "+(" OWS ";" OWS
                                         "[Qq]=(0(\\.[0-9]{0,3})?|1(\\.0{0,3})?))?$"};

static const char *const names[N_NAMES] = {"identity", "gzip", "br", "zstd", "*", "x-gzip"};
static const int name_codings[N_NAMES] = {SJ_IDENTITY, SJ_GZIP,    SJ_BR,
                                          SJ_ZSTD,     SJ_CODINGS, SJ_GZIP};

static void expect_element(const char *text, size_t length, int *listed)
{
    char copy[256], *equals, name[256];
    int quality = 1000;

    if (length >= sizeof(copy) || !matches(&element, text, length))
        return;
    memcpy(copy, text, length);
    copy[length] = '\0';
    sscanf(copy, "%255[^; \t]", name);
    equals = strchr(copy, '=');
    if (equals != NULL)
        quality = (int)(strtod(equals + 1, NULL) * 1000 + 0.5);
    for (unsigned i = 0; i < N_NAMES; i++)
        if (strcasecmp(name, names[i]) == 0)
            listed[name_codings[i]] = quality;
}

/* Cuts a line at its commas, quoted strings whole. */
static void expect_line(const char *text, size_t length, int *listed)
{
    size_t first = 0;
    bool is_quoted = false;

    for (size_t at = 0; at <= length; at++) {
        size_t from = first, end = at;

        if (at < length && is_quoted && text[at] == '\\' && at + 1 < length)
            at++;
        else if (at < length && text[at] == '"')
            is_quoted = !is_quoted;
        else if (at == length || (!is_quoted && text[at] == ',')) {
            while (from < end && strchr(" \t", text[from]))
                from++;
            while (end > from && strchr(" \t", text[end - 1]))
                end--;
            expect_element(text + from, end - from, listed);
            first = at + 1;
        }
    }
}

/* A head with these lines of the field. */
static char *make_head(const char *text, size_t size, const char *field, size_t *length)
{
    size_t n_lines = 1, room;
    char *head, *to;

    for (size_t i = 0; i < size; i++)
        n_lines += text[i] == '\n';
    room = 64 + size + n_lines * (strlen(field) + 4);
    to = head = malloc(room);
    assert(head != NULL);
    to += sprintf(to, "GET / HTTP/1.0\r\n%s:", field);
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\n')
            to += sprintf(to, "\r\n%s:", field);
        else
            *to++ = text[i];
    to += sprintf(to, "\r\n\r\n");
    *length = (size_t)(to - head);
    return head;
}

static void check_codings(const struct head *head)
{
    int listed[SJ_CODINGS + 1] = {UNLISTED, UNLISTED, UNLISTED, UNLISTED, UNLISTED};
    struct sj_codings codings;

    for (uint32_t i = 0; i < head->request.n_fields; i++) {
        struct sj_text value = sj_request_text(head->text, head->fields[i].value);

        expect_line(value.at, value.length, listed);
    }
    sj_negotiate_codings(&head->request, head->text, &codings);
    for (int i = 0; i < SJ_CODINGS; i++) {
        int expected = listed[i] != UNLISTED ? listed[i] : listed[SJ_CODINGS];

        if (expected == UNLISTED)
            expected = i == SJ_IDENTITY ? 1 : 0;
        assert(codings.quality[i] == expected);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const fields[] = {"Accept-Encoding", "Accept"};
    struct head head;

    for (unsigned i = 0; i < 2; i++) {
        size_t length;
        char *text = make_head((const char *)data, size, fields[i], &length);

        if (head_init(&head, text, length) == 0) {
            if (i == 0)
                check_codings(&head);
            else
                sj_negotiate_wants_html(&head.request, head.text);
        }
        head_fini(&head);
        free(text);
    }
    return 0;
}
