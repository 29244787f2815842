/* SPDX-License-Identifier: MIT */
#include "http/multipart.h"

#include <errno.h>
#include <stdlib.h>

#include "core/clock.h"

#define SJ_PART_HEAD_MAX 256 /* octets, without the media type */

void sj_multipart_init(struct sj_multipart *multipart, const struct sj_composer *composer)
{
    static const char digits[] = "0123456789abcdef";
    /* 2^64 odd constant and shifts of S. Vigna's splitmix64: spreads time and count over all bits
     */
    uint64_t mix = (sj_clock_ns() ^ (composer->n_written << 48)) * 0x9e3779b97f4a7c15u;

    mix ^= mix >> 32;
    memcpy(multipart->boundary, "scrubjay", 8);
    for (unsigned i = 8; i < SJ_BOUNDARY_LENGTH; i++, mix >>= 4)
        multipart->boundary[i] = digits[mix & 15];
}

static void write_part_head(const struct sj_multipart *multipart, unsigned at,
                            struct sj_writer *writer)
{
    const struct sj_range *range = &multipart->ranges[at];

    sj_write_literal(writer, "\r\n--");
    sj_write(writer, multipart->boundary, SJ_BOUNDARY_LENGTH);
    sj_write_literal(writer, "\r\nContent-Type: ");
    sj_write_text(writer, multipart->type);
    sj_write_literal(writer, "\r\nContent-Range: bytes ");
    sj_write_number(writer, range->first);
    sj_write_literal(writer, "-");
    sj_write_number(writer, range->first + range->length - 1);
    sj_write_literal(writer, "/");
    sj_write_number(writer, multipart->size);
    sj_write_literal(writer, "\r\n\r\n");
}

static void write_end(const struct sj_multipart *multipart, struct sj_writer *writer)
{
    sj_write_literal(writer, "\r\n--");
    sj_write(writer, multipart->boundary, SJ_BOUNDARY_LENGTH);
    sj_write_literal(writer, "--\r\n");
}

uint64_t sj_multipart_length(const struct sj_multipart *multipart)
{
    struct sj_multipart untyped = *multipart;
    char room[SJ_PART_HEAD_MAX];
    struct sj_writer writer;
    uint64_t length = multipart->n_ranges * multipart->type.length;

    untyped.type.length = 0;
    for (unsigned i = 0; i < multipart->n_ranges; i++) {
        writer = (struct sj_writer){room, room + sizeof(room), false};
        write_part_head(&untyped, i, &writer);
        length += (uint64_t)(writer.at - room) + multipart->ranges[i].length;
    }
    writer = (struct sj_writer){room, room + sizeof(room), false};
    write_end(multipart, &writer);
    return length + (uint64_t)(writer.at - room);
}

/* One block holds the parts, then the response's head, then the heads of the parts: nothing in it
 * depends on the thread's scratch memory any more. */
int sj_multipart_add(const struct sj_multipart *multipart, struct sj_exchange *exchange,
                     const char *bytes)
{
    struct sj_output *output = &exchange->output;
    size_t n_parts = 2 * multipart->n_ranges + 2;
    size_t texts = exchange->response_head +
                   (multipart->n_ranges + 1) * (SJ_PART_HEAD_MAX + multipart->type.length);
    struct sj_part head = output->parts[0];
    struct sj_writer writer;

    output->memory = malloc(n_parts * sizeof(struct sj_part) + texts);
    if (output->memory == NULL)
        return -ENOMEM;
    output->parts = (struct sj_part *)(void *)output->memory;
    output->n_parts = 0;
    writer.at = output->memory + n_parts * sizeof(struct sj_part);
    writer.end = writer.at + texts;
    sj_output_add(output, (struct sj_part){.bytes = writer.at, .length = head.length});
    sj_write(&writer, head.bytes, head.length);
    for (unsigned i = 0; i < multipart->n_ranges; i++) {
        const struct sj_range *range = &multipart->ranges[i];
        struct sj_part text = {.bytes = writer.at};

        write_part_head(multipart, i, &writer);
        text.length = (uint64_t)(writer.at - text.bytes);
        sj_output_add(output, text);
        sj_output_add(output, (struct sj_part){.bytes = bytes != NULL ? bytes + range->first : NULL,
                                               .first = range->first,
                                               .length = range->length});
    }
    sj_output_add(output, (struct sj_part){.bytes = writer.at});
    write_end(multipart, &writer);
    output->parts[output->n_parts - 1].length =
        (uint64_t)(writer.at - output->parts[output->n_parts - 1].bytes);
    return 0;
}
