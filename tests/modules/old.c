/* SPDX-License-Identifier: MIT */
/* A module that was built for another version of the header. */
#include <stddef.h>
#include <scrubjay/handler.h>

static const struct sj_handler handlers[] = {{NULL, NULL, SJ_SYNC}};

SJ_MODULE = {.abi = SJ_ABI + 1, .name = "old", .handlers = handlers};
