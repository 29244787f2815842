/* SPDX-License-Identifier: MIT */
#include "bench/tasks/client.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/http.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define RESOLVED_AT_ONCE "1000"

static SSL *new_tls(const struct fetch_async *async, const struct target *target)
{
    SSL *tls = SSL_new(async->tls);
    int got;

    if (tls == NULL)
        return NULL;
    if (target->is_name)
        got = SSL_set_tlsext_host_name(tls, target->host) == 1 && SSL_set1_host(tls, target->host);
    else
        got = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), target->host);
    if (got == 1)
        return tls;
    SSL_free(tls);
    return NULL;
}

static struct bufferevent *new_stream(const struct fetch_async *async, const struct target *target,
                                      struct event_base *base)
{
    enum bufferevent_options options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
    struct bufferevent *stream;
    SSL *tls;

    if (!target->is_tls)
        return bufferevent_socket_new(base, -1, options);
    tls = new_tls(async, target);
    if (tls == NULL)
        return NULL;
    stream = bufferevent_openssl_socket_new(base, -1, tls, BUFFEREVENT_SSL_CONNECTING, options);
    if (stream == NULL)
        SSL_free(tls);
    return stream;
}

struct evhttp_connection *client_connection_new(struct fetch_async *async, enum page page,
                                                struct event_base *base, unsigned loop)
{
    const struct target *target = &async->targets[page];
    struct bufferevent *stream = new_stream(async, target, base);
    struct evhttp_connection *connection;

    if (stream == NULL)
        return NULL;
    connection = evhttp_connection_base_bufferevent_new(
        base, target->is_name ? async->resolvers[loop] : NULL, stream, target->host, target->port);
    if (connection == NULL) {
        bufferevent_free(stream);
        return NULL;
    }
    evhttp_connection_set_family(connection, AF_INET);
    evhttp_connection_set_timeout(connection, TIMEOUT_S);
    return connection;
}

static void fini_target(struct target *target)
{
    free(target->host);
    free(target->path);
    free(target->authority);
}

static bool fill_target(struct target *target, const struct evhttp_uri *uri)
{
    const char *host = evhttp_uri_get_host(uri), *path = evhttp_uri_get_path(uri);
    int port = evhttp_uri_get_port(uri);

    target->is_tls = strcasecmp(evhttp_uri_get_scheme(uri), "https") == 0;
    target->is_name = inet_addr(host) == INADDR_NONE;
    target->port = (uint16_t)(port > 0 ? port : target->is_tls ? 443 : 80);
    target->host = strdup(host);
    target->path = strdup(*path != '\0' ? path : "/");
    if (asprintf(&target->authority, "%s:%d", host, target->port) < 0)
        target->authority = NULL;
    return target->host != NULL && target->path != NULL && target->authority != NULL;
}

/* True: `target` is the page's, or empty where there is no such page. */
static bool init_target(struct target *target, const char *url)
{
    struct evhttp_uri *uri = url != NULL ? evhttp_uri_parse(url) : NULL;
    bool is_ok = url == NULL;

    if (uri != NULL && evhttp_uri_get_scheme(uri) != NULL && evhttp_uri_get_host(uri) != NULL)
        is_ok = fill_target(target, uri);
    if (uri != NULL)
        evhttp_uri_free(uri);
    return is_ok;
}

static bool init_tls(struct fetch_async *async)
{
    const char *authority = async->settings.authority;

    async->tls = SSL_CTX_new(TLS_client_method());
    if (async->tls == NULL)
        return false;
    SSL_CTX_set_verify(async->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(async->tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(async->tls, SSL_MODE_RELEASE_BUFFERS);
    if (authority != NULL)
        return SSL_CTX_load_verify_locations(async->tls, authority, NULL) == 1;
    return SSL_CTX_set_default_verify_paths(async->tls) == 1;
}

static bool init_resolvers(struct fetch_async *async, const struct sj_setup *setup)
{
    const char *dns = async->settings.dns;

    for (unsigned i = 0; i < setup->n_loops && dns != NULL; i++) {
        struct evdns_base *resolver =
            evdns_base_new(setup->bases[i], EVDNS_BASE_DISABLE_WHEN_INACTIVE);
        if (resolver == NULL)
            return false;
        async->resolvers[i] = resolver;
        if (evdns_base_nameserver_ip_add(resolver, dns) != 0 ||
            evdns_base_set_option(resolver, "max-inflight:", RESOLVED_AT_ONCE) != 0)
            return false;
    }
    return true;
}

struct fetch_async *fetch_async_new(const struct sj_setup *setup)
{
    struct fetch_async *async =
        calloc(1, sizeof *async + setup->n_loops * sizeof *async->resolvers);
    bool is_ok = async != NULL;

    if (async == NULL)
        return NULL;
    settings_read(&async->settings);
    async->n_loops = setup->n_loops;
    for (unsigned i = 0; i < N_PAGES && is_ok; i++)
        is_ok = init_target(&async->targets[i], async->settings.urls[i]);
    if (is_ok && init_tls(async) && init_resolvers(async, setup))
        return async;
    fetch_async_free(async);
    return NULL;
}

void fetch_async_free(struct fetch_async *async)
{
    if (async == NULL)
        return;
    for (unsigned i = 0; i < async->n_loops; i++)
        if (async->resolvers[i] != NULL)
            evdns_base_free(async->resolvers[i], 0);
    for (unsigned i = 0; i < N_PAGES; i++)
        fini_target(&async->targets[i]);
    SSL_CTX_free(async->tls);
    free(async);
}
