/* SPDX-License-Identifier: MIT */
#include "http/output.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* After so many octets of one response another connection has its turn. */
#define SJ_TURN (512 * 1024)

#define SJ_PIECES 16 /* memory parts sent in one call */

void sj_output_init(struct sj_output *output)
{
    /* own_parts stay as they are: they count only below n_parts. */
    output->parts = output->own_parts;
    output->n_parts = 0;
    output->at = 0;
    output->sent = 0;
    output->descriptor = -1;
    output->borrows_descriptor = false;
    output->is_last = false;
    output->promise.inode = 0;
    output->entry = NULL;
    output->holds_entry = false;
    output->memory = NULL;
}

void sj_output_fini(struct sj_output *output)
{
    if (output->descriptor >= 0 && !output->borrows_descriptor)
        close(output->descriptor);
    if (output->holds_entry)
        sj_entry_release(output->entry);
    free(output->memory);
    sj_output_init(output);
}

void sj_output_add(struct sj_output *output, struct sj_part part)
{
    assert(output->parts != output->own_parts || output->n_parts < 2);
    output->parts[output->n_parts++] = part;
}

void sj_output_took(struct sj_output *output, size_t octets)
{
    output->sent += octets;
    while (octets > 0) {
        struct sj_part *part = &output->parts[output->at];
        uint64_t taken = octets < part->length ? octets : part->length;

        part->length -= taken;
        part->first += taken;
        if (part->bytes != NULL)
            part->bytes += taken;
        octets -= taken;
        if (part->length == 0)
            output->at++;
    }
}

/* Parts in memory from `at` on, up to `n_most`: how many. */
static unsigned find_pieces(const struct sj_output *output, struct iovec *pieces, unsigned n_most)
{
    unsigned n = 0;

    for (unsigned at = output->at; at < output->n_parts && n < n_most; at++, n++) {
        const struct sj_part *part = &output->parts[at];

        if (part->bytes == NULL)
            break;
        pieces[n] = (struct iovec){(void *)(uintptr_t)part->bytes, part->length};
    }
    return n;
}

/* After so many parts.  What comes next leaves in the same segment: the file's first octets or,
 * after the last part of a connection, the FIN, which saves a segment, its acknowledgement and a
 * wake-up of the client.  When nothing comes next the kernel would keep these back, in vain. */
static int flags_after(const struct sj_output *output, unsigned n_pieces)
{
    unsigned at = output->at + n_pieces;

    while (at < output->n_parts && output->parts[at].length == 0)
        at++;
    return at < output->n_parts || output->is_last ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;
}

static ssize_t send_memory(const struct sj_output *output, int socket)
{
    struct iovec pieces[SJ_PIECES];
    struct msghdr message = {.msg_iov = pieces};
    unsigned n = find_pieces(output, pieces, SJ_PIECES);
    int flags = flags_after(output, n);

    if (n == 1) /* the common case, and the cheaper call */
        return send(socket, pieces[0].iov_base, pieces[0].iov_len, flags);
    message.msg_iovlen = n;
    return sendmsg(socket, &message, flags);
}

bool sj_output_offer(const struct sj_output *output, int socket, struct sj_transfer *transfer)
{
    unsigned n = find_pieces(output, transfer->pieces, 2);

    if (n == 0 || output->at + n < output->n_parts)
        return false;
    transfer->socket = socket;
    transfer->flags = flags_after(output, n);
    transfer->is_send = true;
    transfer->n_pieces = n;
    return true;
}

/* An ETag is a promise about one state of the file.  That is looked at again before the
 * last octets go: a body that is cut off is better than one that is whole and wrong. */
static bool keeps_promise(const struct sj_output *output)
{
    struct stat status;
    struct sj_identity now;

    if (output->promise.inode == 0)
        return true;
    if (fstat(output->descriptor, &status) != 0)
        return false;
    sj_identity_of(&status, &now);
    return sj_identity_keeps_content(&now, &output->promise);
}

static ssize_t send_file(const struct sj_output *output, int socket)
{
    const struct sj_part *part = &output->parts[output->at];
    off_t first = (off_t)part->first;
    size_t length = part->length < SJ_TURN ? part->length : SJ_TURN;
    ssize_t sent;

    if (length == part->length && !keeps_promise(output)) {
        errno = EIO;
        return -1;
    }
    sent = sendfile(socket, output->descriptor, &first, length);
    if (sent == 0) { /* the file ends before its headers' Content-Length */
        errno = EIO;
        return -1;
    }
    return sent;
}

enum sj_output_state sj_output_pump(struct sj_output *output, int socket)
{
    uint64_t turn = 0;

    while (output->at < output->n_parts) {
        const struct sj_part *part = &output->parts[output->at];
        ssize_t sent;

        if (part->length == 0) {
            output->at++;
            continue;
        }
        if (turn >= SJ_TURN)
            return SJ_OUTPUT_WAITS;
        sent = part->bytes != NULL ? send_memory(output, socket) : send_file(output, socket);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? SJ_OUTPUT_WAITS : SJ_OUTPUT_FAILED;
        sj_output_took(output, (size_t)sent);
        turn += (uint64_t)sent;
    }
    return SJ_OUTPUT_DONE;
}

int sj_output_keep(struct sj_output *output)
{
    struct sj_part *head = &output->parts[0];

    if (output->entry != NULL && !output->holds_entry) {
        sj_entry_acquire(output->entry);
        output->holds_entry = true;
    }
    if (output->at > 0 || output->memory != NULL)
        return 0; /* the head has gone, or lies in `memory` itself */
    output->memory = malloc(head->length);
    if (output->memory == NULL)
        return -ENOMEM;
    memcpy(output->memory, head->bytes, head->length);
    head->bytes = output->memory;
    return 0;
}
