/* SPDX-License-Identifier: MIT */
#include "bench/tasks/records.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <expat.h>

enum { KINDS = 8, NAME = 32, DIGITS = 20, MOST = 1 << 20 };

struct kind {
    char name[NAME];
    uint64_t sum;
};

struct records {
    XML_Parser parser;
    struct kind kinds[KINDS];
    struct kind *kind;       /* of the record in which we are; NULL: in none */
    char amount[DIGITS + 1]; /* its text so far */
    size_t n_kinds, n_amount;
    uint64_t n;
};

static void refuse(struct records *records)
{
    XML_StopParser(records->parser, XML_FALSE);
}

static struct kind *find_kind(struct records *records, const char *name)
{
    for (size_t i = 0; i < records->n_kinds; i++)
        if (strcmp(records->kinds[i].name, name) == 0)
            return &records->kinds[i];
    if (records->n_kinds == KINDS || strlen(name) >= NAME)
        return NULL;
    struct kind *kind = &records->kinds[records->n_kinds++];
    memcpy(kind->name, name, strlen(name) + 1);
    return kind;
}

static void begin_record(struct records *records, const XML_Char **attributes)
{
    while (*attributes != NULL && strcmp(*attributes, "kind") != 0)
        attributes += 2;
    records->kind = *attributes != NULL ? find_kind(records, attributes[1]) : NULL;
    records->n++;
    if (records->kind == NULL)
        refuse(records);
}

static void XMLCALL on_text(void *context, const XML_Char *text, int length)
{
    struct records *records = context;

    if ((size_t)length > DIGITS - records->n_amount) {
        refuse(records);
        return;
    }
    memcpy(records->amount + records->n_amount, text, (size_t)length);
    records->n_amount += (size_t)length;
}

static void XMLCALL on_begin(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct records *records = context;

    if (strcmp(name, "record") == 0) {
        begin_record(records, attributes);
    } else if (strcmp(name, "amount") == 0 && records->kind != NULL) {
        records->n_amount = 0;
        XML_SetCharacterDataHandler(records->parser, on_text);
    }
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
    struct records *records = context;

    if (strcmp(name, "amount") != 0 || records->kind == NULL)
        return;
    XML_SetCharacterDataHandler(records->parser, NULL);
    records->amount[records->n_amount] = '\0';
    records->kind->sum += strtoull(records->amount, NULL, 10);
}

struct records *records_new(void)
{
    struct records *records = calloc(1, sizeof *records);

    if (records == NULL)
        return NULL;
    records->parser = XML_ParserCreate(NULL);
    if (records->parser == NULL) {
        free(records);
        return NULL;
    }
    XML_SetUserData(records->parser, records);
    XML_SetElementHandler(records->parser, on_begin, on_end);
    return records;
}

void records_free(struct records *records)
{
    if (records == NULL)
        return;
    XML_ParserFree(records->parser);
    free(records);
}

static int parse(struct records *records, const char *data, size_t length, int is_last)
{
    if (XML_Parse(records->parser, data, (int)length, is_last) == XML_STATUS_OK)
        return 0;
    return XML_GetErrorCode(records->parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
}

int records_take(struct records *records, const void *data, size_t length)
{
    int got = 0;

    for (const char *at = data; length > 0 && got == 0;) {
        size_t n = length < MOST ? length : MOST;
        got = parse(records, at, n, 0);
        at += n;
        length -= n;
    }
    return got;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct kind *)a)->name, ((const struct kind *)b)->name);
}

int records_end(struct records *records, char text[RECORDS_TEXT])
{
    int got = parse(records, "", 0, 1), at;

    if (got != 0)
        return got;
    qsort(records->kinds, records->n_kinds, sizeof *records->kinds, by_name);
    at = snprintf(text, RECORDS_TEXT, "records %" PRIu64 "\n", records->n);
    for (size_t i = 0; i < records->n_kinds; i++)
        at += snprintf(text + at, RECORDS_TEXT - (size_t)at, "%s %" PRIu64 "\n",
                       records->kinds[i].name, records->kinds[i].sum);
    return 0;
}
