/* SPDX-License-Identifier: MIT */
/* Input: field lines, each ended by LF.  The grammar of a list of entity tags as an expression over
 * all lines joined, and the steps of RFC 9110 section 13.2.2 as it numbers them. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

#include "core/clock.h"
#include "http/conditional.h"
#include "tests/http/head.h"

#define MODIFIED 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define NOW      1795251600

#define OPAQUE_TAG "\"[!#-~\x80-\xff]*\""
#define TAG        "(W/)?" OPAQUE_TAG

static struct pattern tag_list = {.text = "^(" TAG ")?(" OWS "," OWS "(" TAG ")?)*$"};
static struct pattern tag = {.text = TAG};

static const struct sj_validators validators = {SJ_TEXT("\"abc\""), MODIFIED};

/* All lines of a field, joined; NULL: there is none. */
static char *join(const struct head *head, enum sj_field_id id, unsigned *n_lines)
{
    char *joined = NULL;
    size_t length = 0;

    *n_lines = 0;
    for (uint32_t i = 0; i < head->request.n_fields; i++) {
        struct sj_text value = sj_request_text(head->text, head->fields[i].value);

        if (head->fields[i].id != id)
            continue;
        joined = realloc(joined, length + value.length + 3);
        assert(joined != NULL);
        if ((*n_lines)++ > 0) {
            memcpy(joined + length, ", ", 2);
            length += 2;
        }
        memcpy(joined + length, value.at, value.length);
        length += value.length;
        joined[length] = '\0';
    }
    return joined;
}

static bool has_tag(const char *list, const char *const *tags)
{
    regmatch_t match;

    if (!matches(&tag_list, list, strlen(list)))
        return false;
    for (; find(&tag, list, strlen(list), &match); list += match.rm_eo)
        for (const char *const *one = tags; *one != NULL; one++)
            if (strlen(*one) == (size_t)(match.rm_eo - match.rm_so) &&
                strncmp(list + match.rm_so, *one, strlen(*one)) == 0)
                return true;
    return false;
}

/* 1, 0, or -1 when there is no such field. */
static int is_match(const struct head *head, enum sj_field_id id, const char *const *tags)
{
    unsigned n_lines;
    char *list = join(head, id, &n_lines);
    int result = -1;

    if (list != NULL)
        result = strcmp(list, "*") == 0 || has_tag(list, tags);
    free(list);
    return result;
}

/* Whether it has been modified since; -1 without one valid date. */
static int is_modified(const struct head *head, enum sj_field_id id)
{
    unsigned n_lines;
    char *text = join(head, id, &n_lines);
    int result = -1;
    time_t date;

    if (text != NULL && n_lines == 1 && sj_date_parse(text, strlen(text), NOW, &date) == 0)
        result = MODIFIED > date;
    free(text);
    return result;
}

static int expect(const struct head *head)
{
    static const char *const strong[] = {"\"abc\"", NULL};
    static const char *const weak[] = {"\"abc\"", "W/\"abc\"", NULL};
    int match = is_match(head, SJ_FIELD_IF_MATCH, strong);
    int none_match = is_match(head, SJ_FIELD_IF_NONE_MATCH, weak);

    if (match == 0) /* step 1 */
        return 412;
    if (match < 0 && is_modified(head, SJ_FIELD_IF_UNMODIFIED_SINCE) == 1) /* 2 */
        return 412;
    if (none_match == 1) /* 3 */
        return 304;
    if (none_match < 0 && is_modified(head, SJ_FIELD_IF_MODIFIED_SINCE) == 0) /* 4 */
        return 304;
    return 200;
}

static bool expect_range(const struct head *head)
{
    unsigned n_lines;
    char *text = join(head, SJ_FIELD_IF_RANGE, &n_lines);
    bool result = text == NULL;
    time_t date;

    if (n_lines == 1)
        result = strcmp(text, "\"abc\"") == 0 ||
                 (sj_date_parse(text, strlen(text), NOW, &date) == 0 && date == MODIFIED);
    free(text);
    return result;
}

static char *make_head(const char *text, size_t size, size_t *length)
{
    char *head = malloc(64 + 2 * size), *to = head;

    assert(head != NULL);
    to += sprintf(to, "GET / HTTP/1.0\r\n");
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n')
            *to++ = '\r';
        *to++ = text[i];
    }
    to += sprintf(to, "\r\n\r\n");
    *length = (size_t)(to - head);
    return head;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length;
    char *text = make_head((const char *)data, size, &length);
    struct head head;

    if (head_init(&head, text, length) == 0) {
        assert(sj_conditional_check(&head.request, head.text, &validators, NOW) == expect(&head));
        assert(sj_conditional_allows_range(&head.request, head.text, &validators, NOW) ==
               expect_range(&head));
    }
    head_fini(&head);
    free(text);
    return 0;
}
