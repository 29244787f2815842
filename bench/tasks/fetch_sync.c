/* SPDX-License-Identifier: MIT */
/*
 * Fetches that block, with libcurl.  A handle keeps what it has read of the authority's
 * certificate, but neither connections nor TLS sessions.
 */
#include "bench/tasks/tasks.h"
#include <errno.h>
#include <stdlib.h>
#include <curl/curl.h>
#include "bench/tasks/pool.h"
#include "bench/tasks/records.h"

struct fetch_sync {
    const struct tasks *tasks;
    struct pool handles;
};

struct handle {
    struct pooled link;
    CURL *curl;
    struct sj_call *call;    /* of the fetch under way, */
    struct records *records; /* NULL: the page is answered as it comes */
    int error;               /* from these two */
};

static size_t on_data(char *data, size_t one, size_t length, void *context)
{
    struct handle *handle = context;
    long status = 0;

    (void)one; /* is 1 */
    curl_easy_getinfo(handle->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return length;
    handle->error = handle->records != NULL ? records_take(handle->records, data, length)
                                            : sj_answer_bytes(handle->call, data, length);
    return handle->error == 0 ? length : 0;
}

static void free_handle(struct pooled *item)
{
    struct handle *handle = (struct handle *)item;

    curl_easy_cleanup(handle->curl);
    free(handle);
}

static void set_up(struct handle *handle, const struct tasks *tasks)
{
    CURL *curl = handle->curl;

    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, handle);
    if (tasks->authority != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, tasks->authority);
}

static struct handle *take_handle(struct fetch_sync *sync)
{
    struct handle *handle = (struct handle *)pool_take(&sync->handles);

    if (handle != NULL)
        return handle;
    handle = calloc(1, sizeof *handle);
    if (handle == NULL)
        return NULL;
    handle->curl = curl_easy_init();
    if (handle->curl == NULL) {
        free(handle);
        return NULL;
    }
    set_up(handle, sync->tasks);
    return handle;
}

/* The page's status, or -errno. */
static long fetch_once(struct handle *handle)
{
    long status = 0;

    handle->error = 0;
    if (curl_easy_perform(handle->curl) != CURLE_OK)
        return handle->error != 0 ? handle->error : -EIO;
    curl_easy_getinfo(handle->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static int fetch(struct handle *handle, const struct tasks *tasks)
{
    long status = 500;

    sj_blocking_begin();
    for (uint64_t i = 0; i < tasks->attempts && status == 500; i++)
        status = fetch_once(handle);
    sj_blocking_end();
    if (status == -ENOMEM)
        return -ENOMEM;
    return status == 200 ? 0 : 502;
}

static int fetch_and_parse(struct handle *handle, const struct tasks *tasks)
{
    char text[RECORDS_TEXT];
    int got;

    handle->records = records_new();
    if (handle->records == NULL)
        return -ENOMEM;
    got = fetch(handle, tasks);
    if (got == 0)
        got = records_end(handle->records, text) == 0 ? sj_answer_text(handle->call, text) : 502;
    records_free(handle->records);
    handle->records = NULL;
    return got;
}

int fetch_sync_run(struct sj_call *call, enum page page, enum use what)
{
    const struct tasks *tasks = sj_call_context(call);
    struct handle *handle;
    int got = sj_answer_field(call, "Content-Type", "text/plain");

    if (got != 0)
        return got;
    if (tasks->urls[page] == NULL)
        return 502;
    handle = take_handle(tasks->sync);
    if (handle == NULL)
        return -ENOMEM;
    handle->call = call;
    if (curl_easy_setopt(handle->curl, CURLOPT_URL, tasks->urls[page]) != CURLE_OK)
        got = -ENOMEM;
    else
        got = what == PARSE_IT ? fetch_and_parse(handle, tasks) : fetch(handle, tasks);
    pool_give(&tasks->sync->handles, &handle->link);
    return got;
}

struct fetch_sync *fetch_sync_new(const struct tasks *tasks)
{
    struct fetch_sync *sync = malloc(sizeof *sync);

    if (sync == NULL)
        return NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(sync);
        return NULL;
    }
    sync->tasks = tasks;
    pool_init(&sync->handles);
    return sync;
}

void fetch_sync_free(struct fetch_sync *sync)
{
    if (sync == NULL)
        return;
    pool_fini(&sync->handles, free_handle);
    curl_global_cleanup();
    free(sync);
}
