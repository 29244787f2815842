/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_ADDRESSES_H
#define SJ_HTTP_ADDRESSES_H
/*
 * How many connections each client address has: --connections-per-address.  IPv6 addresses count by
 * their first 64 bits, which one client has for itself.  Any thread; a short lock, at accept and
 * close only, and only where the option is given.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct sj_addresses;

/* NULL: no memory. */
struct sj_addresses *sj_addresses_new(uint64_t most);
void sj_addresses_free(struct sj_addresses *addresses);

/* True: counted, and leave is to follow.  False: that address has its share (or: no memory). */
bool sj_addresses_enter(struct sj_addresses *addresses, const struct sockaddr *peer);
void sj_addresses_leave(struct sj_addresses *addresses, const struct sockaddr *peer);

#endif
