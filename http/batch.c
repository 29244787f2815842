/* SPDX-License-Identifier: MIT */
#include "http/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/connection.h"
#include "http/input.h"

struct sj_batch {
    struct sj_transfers *transfers;
    unsigned n_noted;
    unsigned n_gathered;
    struct sj_connection *noted[SJ_BATCH];
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

/* An exchange for each to be received into; who gets none is closed.  How many are left. */
static unsigned prepare(struct sj_shard *shard, struct sj_exchange **exchanges,
                        struct sj_transfer *receives)
{
    struct sj_batch *batch = shard->batch;
    unsigned n = 0;

    for (unsigned i = 0; i < batch->n_noted; i++) {
        struct sj_connection *connection = batch->noted[i];
        struct sj_exchange *exchange = sj_exchange_new(&shard->exchanges);

        connection->is_noted = false;
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
        batch->noted[n++] = connection;
    }
    batch->n_noted = 0;
    return n;
}

static void receive(struct sj_shard *shard)
{
    struct sj_batch *batch = shard->batch;
    struct sj_exchange *exchanges[SJ_BATCH];
    struct sj_transfer receives[SJ_BATCH];
    unsigned n = prepare(shard, exchanges, receives);

    run(shard, receives, n);
    for (unsigned i = 0; i < n; i++)
        sj_input_received(batch->noted[i], exchanges[i], receives[i].result);
}

bool sj_batch_note(struct sj_connection *connection)
{
    struct sj_batch *batch = connection->shard->batch;

    if (batch == NULL)
        return false;
    if (connection->is_noted) /* libevent has polled twice, as with many deferred callbacks */
        return true;
    connection->is_noted = true;
    batch->noted[batch->n_noted++] = connection;
    if (batch->n_noted == SJ_BATCH)
        receive(connection->shard);
    return true;
}

void sj_batch_forget(struct sj_connection *connection)
{
    struct sj_batch *batch = connection->shard->batch;
    unsigned i = 0;

    while (batch->noted[i] != connection)
        i++;
    batch->noted[i] = batch->noted[--batch->n_noted];
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

    if (shard->batch->n_noted == 0)
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
