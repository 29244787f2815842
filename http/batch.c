/* SPDX-License-Identifier: MIT */
#include "http/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/connection.h"
#include "http/input.h"

struct sj_batch {
    struct sj_transfers *transfers;
    struct sj_connection_list noted; /* oldest first */
    unsigned n_gathered;
    struct sj_connection *gathered[SJ_BATCH];
    struct sj_transfer sends[SJ_BATCH];
};

static void run(struct sj_shard *shard, struct sj_transfer *items, unsigned n)
{
    struct sj_batch *batch = shard->batch;
    int error = sj_transfers_run(batch->transfers, items, n);

    if (error == 0)
        return;
    sj_log(shard->service->log, SJ_LOG_WARNING,
           "io_uring failed in loop %u: %s; from now on it receives and sends one by one",
           sj_loop_index(shard->loop), strerror(-error));
    sj_transfers_free(batch->transfers);
    batch->transfers = NULL;
}

/* Takes those that were noted first, with an exchange for each to be received into; who gets none
 * is closed.  How many. */
static unsigned prepare(struct sj_shard *shard, struct sj_connection **connections,
                        struct sj_exchange **exchanges, struct sj_transfer *receives)
{
    struct sj_connection *connection;
    unsigned n = 0;

    while (n < SJ_BATCH && (connection = TAILQ_FIRST(&shard->batch->noted)) != NULL) {
        struct sj_exchange *exchange = sj_exchange_new(&shard->exchanges);

        sj_batch_forget(connection);
        if (exchange == NULL) {
            sj_connection_free(connection);
            continue;
        }
        receives[n].socket = connection->socket;
        receives[n].flags = 0;
        receives[n].is_send = false;
        receives[n].n_pieces = 1;
        receives[n].pieces[0] = (struct iovec){exchange->buffer, SJ_EXCHANGE_READ};
        exchanges[n] = exchange;
        connections[n++] = connection;
    }
    return n;
}

static void receive(struct sj_shard *shard)
{
    struct sj_connection *connections[SJ_BATCH];
    struct sj_exchange *exchanges[SJ_BATCH];
    struct sj_transfer receives[SJ_BATCH];
    unsigned n = prepare(shard, connections, exchanges, receives);

    run(shard, receives, n);
    for (unsigned i = 0; i < n; i++)
        sj_input_received(connections[i], exchanges[i], receives[i].result);
}

bool sj_batch_note(struct sj_connection *connection)
{
    struct sj_batch *batch = connection->shard->batch;

    if (batch == NULL)
        return false;
    if (connection->is_noted) /* libevent has polled twice, as with many deferred callbacks */
        return true;
    connection->is_noted = true;
    TAILQ_INSERT_TAIL(&batch->noted, connection, noted);
    return true;
}

void sj_batch_forget(struct sj_connection *connection)
{
    TAILQ_REMOVE(&connection->shard->batch->noted, connection, noted);
    connection->is_noted = false;
}

bool sj_batch_gather(struct sj_shard *runner, struct sj_connection *connection)
{
    struct sj_batch *batch = runner->batch;

    if (batch == NULL)
        return false;
    if (batch->n_gathered == SJ_BATCH)
        sj_batch_send(runner);
    if (!sj_output_offer(&connection->exchange->output, connection->socket,
                         &batch->sends[batch->n_gathered]))
        return false;
    if (batch->n_gathered == 0)
        sj_index_begin(runner->service->site.index);
    batch->gathered[batch->n_gathered++] = connection;
    if (!sj_composer_hold(&runner->composer))
        sj_batch_send(runner);
    return true;
}

void sj_batch_send(struct sj_shard *runner)
{
    struct sj_batch *batch = runner->batch;

    if (batch == NULL || batch->n_gathered == 0)
        return;
    run(runner, batch->sends, batch->n_gathered);
    for (unsigned i = 0; i < batch->n_gathered; i++)
        sj_connection_sent(batch->gathered[i], runner, batch->sends[i].result);
    batch->n_gathered = 0;
    sj_composer_let_go(&runner->composer);
    sj_index_end(runner->service->site.index);
}

static bool before_tasks(void *context)
{
    struct sj_shard *shard = context;

    if (TAILQ_EMPTY(&shard->batch->noted))
        return false;
    receive(shard);
    return true;
}

static void after_tasks(void *context)
{
    sj_batch_send(context);
}

int sj_batch_new(struct sj_shard *shard, struct sj_transfers *transfers)
{
    struct sj_batch *batch = calloc(1, sizeof(*batch));

    if (batch == NULL) {
        sj_transfers_free(transfers);
        return -ENOMEM;
    }
    TAILQ_INIT(&batch->noted);
    batch->transfers = transfers;
    shard->batch = batch;
    sj_loop_set_hooks(shard->loop, before_tasks, after_tasks, SJ_BATCH);
    return 0;
}

void sj_batch_free(struct sj_shard *shard)
{
    if (shard->batch != NULL)
        sj_transfers_free(shard->batch->transfers);
    free(shard->batch);
    shard->batch = NULL;
}
