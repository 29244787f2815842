/* SPDX-License-Identifier: MIT */
/*
 * The module of fetches that block, with libcurl.  A handle keeps what it has read of the
 * authority's certificate, but neither connections nor TLS sessions.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <curl/curl.h>
#include "bench/tasks/common.h"
#include "bench/tasks/pool.h"
#include "bench/tasks/records.h"

struct fetch_sync {
    struct settings settings;
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

static void set_up(struct handle *handle, const char *authority)
{
    CURL *curl = handle->curl;

    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 16384L); /* 64 KB for the head of a GET */
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, handle);
    if (authority != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, authority);
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
    set_up(handle, sync->settings.authority);
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

static int fetch(struct handle *handle, uint64_t attempts)
{
    long status = 500;

    sj_blocking_begin();
    for (uint64_t i = 0; i < attempts && status == 500; i++)
        status = fetch_once(handle);
    sj_blocking_end();
    if (status == -ENOMEM)
        return -ENOMEM;
    return status == 200 ? 0 : 502;
}

static int fetch_and_parse(struct handle *handle, uint64_t attempts)
{
    char text[RECORDS_TEXT];
    int got;

    handle->records = records_new();
    if (handle->records == NULL)
        return -ENOMEM;
    got = fetch(handle, attempts);
    if (got == 0)
        got = records_end(handle->records, text) == 0 ? sj_answer_text(handle->call, text) : 502;
    records_free(handle->records);
    handle->records = NULL;
    return got;
}

static int run(struct sj_call *call, enum page page, enum use what)
{
    struct fetch_sync *sync = sj_call_context(call);
    const struct settings *settings = &sync->settings;
    struct handle *handle;
    int got = sj_answer_field(call, "Content-Type", "text/plain");

    if (got != 0)
        return got;
    if (settings->urls[page] == NULL)
        return 502;
    handle = take_handle(sync);
    if (handle == NULL)
        return -ENOMEM;
    handle->call = call;
    if (curl_easy_setopt(handle->curl, CURLOPT_URL, settings->urls[page]) != CURLE_OK)
        got = -ENOMEM;
    else if (what == PARSE_IT)
        got = fetch_and_parse(handle, settings->attempts);
    else
        got = fetch(handle, settings->attempts);
    pool_give(&sync->handles, &handle->link);
    return got;
}

/* A handler for each page, and what is done with it. */
#define FETCHES(X)                                \
    X(network_sync_local, LOCAL, ANSWER_IT)       \
    X(network_sync_external, EXTERNAL, ANSWER_IT) \
    X(network_https_sync, HTTPS, ANSWER_IT)       \
    X(network_https_cpu_bound_sync, HTTPS_XML, PARSE_IT)

#define FETCH(name, page, what)              \
    static int name(struct sj_call *call)    \
    {                                        \
        return run(call, PAGE_##page, what); \
    }
FETCHES(FETCH)

#define ROW(name, page, what) {#name, name, SJ_SYNC},
static const struct sj_handler handlers[] = {FETCHES(ROW){0}};

static int start(const struct sj_setup *setup, void **context)
{
    struct fetch_sync *sync = malloc(sizeof *sync);

    if (sync == NULL)
        return -ENOMEM;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(setup->error, setup->error_size, "libcurl cannot be used");
        free(sync);
        return -ENOSYS;
    }
    settings_read(&sync->settings);
    pool_init(&sync->handles);
    *context = sync;
    return 0;
}

static void stop(void *context)
{
    struct fetch_sync *sync = context;

    pool_fini(&sync->handles, free_handle);
    curl_global_cleanup();
    free(sync);
}

SJ_MODULE = {
    .abi = SJ_ABI, .name = "fetch_sync", .handlers = handlers, .start = start, .stop = stop};
