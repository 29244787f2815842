/* SPDX-License-Identifier: MIT */
#ifndef SJ_HTTP_STATIC_H
#define SJ_HTTP_STATIC_H
/*
 * The static handler: answers one exchange from the index.  A quick task: it computes the response
 * and leaves the octets in the exchange's output; it does not touch the socket.
 */
#include <stdbool.h>
#include "cache/index.h"
#include "http/exchange.h"
#include "http/response.h"

struct sj_static {
    struct sj_index *index;
    bool has_cors; /* Access-Control-Allow-Origin: * */
};

/* Any loop's thread, inside sj_index_begin/end of that `generation`; the exchange has been
 * prepared.  0: the output points into the generation and the composer's scratch, see
 * sj_output_keep.  -EAGAIN: what is there is not known before the first build has ended; the
 * exchange is as it was, to be asked again. */
int sj_static_answer(const struct sj_static *site, const struct sj_generation *generation,
                     struct sj_composer *composer, struct sj_exchange *exchange);

#endif
