/* SPDX-License-Identifier: MIT */
#include "http/addresses.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SJ_BUCKETS 4096

struct address {
    struct address *next;
    uint64_t key;
    uint64_t count;
};

struct sj_addresses {
    pthread_mutex_t lock;
    uint64_t most;
    struct address *buckets[SJ_BUCKETS];
};

struct sj_addresses *sj_addresses_new(uint64_t most)
{
    struct sj_addresses *addresses = calloc(1, sizeof(*addresses));

    if (addresses == NULL)
        return NULL;
    addresses->most = most;
    pthread_mutex_init(&addresses->lock, NULL);
    return addresses;
}

void sj_addresses_free(struct sj_addresses *addresses)
{
    if (addresses == NULL)
        return;
    for (size_t i = 0; i < SJ_BUCKETS; i++) {
        while (addresses->buckets[i] != NULL) {
            struct address *address = addresses->buckets[i];

            addresses->buckets[i] = address->next;
            free(address);
        }
    }
    pthread_mutex_destroy(&addresses->lock);
    free(addresses);
}

/* 0: no address to count by (a local socket); that of 192.0.2.1 is also that of ::ffff:192.0.2.1.
 */
static uint64_t key_of(const struct sockaddr *peer)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
    uint64_t key = 0;

    if (peer->sa_family == AF_INET)
        memcpy(&key, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
    else if (peer->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        memcpy(&key, &v6->sin6_addr.s6_addr[12], 4);
    else if (peer->sa_family == AF_INET6)
        memcpy(&key, &v6->sin6_addr, 8);
    else
        return 0;
    return key + 1;
}

static struct address **find(struct sj_addresses *addresses, uint64_t key)
{
    /* Knuth's multiplicative hash */
    struct address **at = &addresses->buckets[(key * 0x9e3779b97f4a7c15u) >> 52];

    while (*at != NULL && (*at)->key != key)
        at = &(*at)->next;
    return at;
}

bool sj_addresses_enter(struct sj_addresses *addresses, const struct sockaddr *peer)
{
    uint64_t key = key_of(peer);
    struct address **at;
    bool is_counted = false;

    if (key == 0)
        return true;
    pthread_mutex_lock(&addresses->lock);
    at = find(addresses, key);
    if (*at == NULL) {
        *at = calloc(1, sizeof(**at));
        if (*at != NULL)
            (*at)->key = key;
    }
    if (*at != NULL && (*at)->count < addresses->most) {
        (*at)->count++;
        is_counted = true;
    }
    pthread_mutex_unlock(&addresses->lock);
    return is_counted;
}

void sj_addresses_leave(struct sj_addresses *addresses, const struct sockaddr *peer)
{
    uint64_t key = key_of(peer);
    struct address **at;

    if (key == 0)
        return;
    pthread_mutex_lock(&addresses->lock);
    at = find(addresses, key);
    if (*at != NULL && --(*at)->count == 0) {
        struct address *gone = *at;

        *at = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&addresses->lock);
}
