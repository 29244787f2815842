/* SPDX-License-Identifier: MIT */
#include "cache/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sj_fault_push(struct sj_fault **list, const char *const path[3], const char *reason)
{
    size_t lengths[3] = {strlen(path[0]), strlen(path[1]), strlen(path[2])};
    size_t slash = lengths[0] > 0 && path[0][lengths[0] - 1] == '/' ? 0 : 1;
    size_t length = lengths[0] + slash + lengths[1] + lengths[2];
    struct sj_fault *fault = malloc(sizeof(*fault) + length + 1);
    if (fault == NULL)
        return -ENOMEM;
    char *text = (char *)(fault + 1);
    *fault = (struct sj_fault){.path = {text, length}, .next = *list, .reason = reason};
    text = mempcpy(text, path[0], lengths[0]);
    if (slash > 0)
        *text++ = '/';
    text = mempcpy(text, path[1], lengths[1]);
    memcpy(text, path[2], lengths[2] + 1);
    *list = fault;
    return 0;
}

int sj_faults_copy(const struct sj_fault *list, struct sj_fault **copy)
{
    for (; list != NULL; list = list->next) {
        struct sj_fault *fault = malloc(sizeof(*fault) + list->path.length + 1);
        if (fault == NULL)
            return -ENOMEM;
        char *text = (char *)(fault + 1);
        memcpy(text, list->path.at, list->path.length + 1);
        *fault = (struct sj_fault){
            .path = {text, list->path.length}, .next = *copy, .reason = list->reason};
        *copy = fault;
    }
    return 0;
}

void sj_faults_free(struct sj_fault *list)
{
    while (list != NULL) {
        struct sj_fault *next = list->next;
        free(list);
        list = next;
    }
}

const char *sj_fault_reason(int error)
{
    int positive = error < 0 ? -error : error;
    const char *text = strerrordesc_np(positive);
    if (positive == ESTALE)
        return "keeps changing while it is read";
    return text != NULL ? text : "unknown error";
}
