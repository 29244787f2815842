/* SPDX-License-Identifier: MIT */
#ifndef SJ_CORE_PR_TSAN_H
#define SJ_CORE_PR_TSAN_H
/*
 * The basis of ck_pr as compiler builtins, which ThreadSanitizer understands.
 *
 * Only core/pr.h includes this, before ck_pr.h: CK_F_PR tells ck that a port is
 * there already, and ck derives the rest (or, and, btr, inc ...) from load and
 * compare-and-swap.  Every access is sequentially consistent and fences are compiler
 * barriers only, so this finds races of ownership, not missing fences.
 */
#include <stdbool.h>
#include <stdint.h>
#include <ck_cc.h>

#define CK_USE_CC_BUILTINS 1
#define CK_PR_DISABLE_DOUBLE
#define CK_F_PR

#define SJ_PR_TYPE(name, type)                                                                    \
    CK_CC_INLINE static type ck_pr_md_load_##name(const type *from)                               \
    {                                                                                             \
        return __atomic_load_n(from, __ATOMIC_SEQ_CST);                                           \
    }                                                                                             \
    CK_CC_INLINE static void ck_pr_md_store_##name(type *to, type value)                          \
    {                                                                                             \
        __atomic_store_n(to, value, __ATOMIC_SEQ_CST);                                            \
    }                                                                                             \
    CK_CC_INLINE static bool ck_pr_cas_##name##_value(type *at, type old, type value, type *seen) \
    {                                                                                             \
        bool is_set = __atomic_compare_exchange_n(at, &old, value, false, __ATOMIC_SEQ_CST,       \
                                                  __ATOMIC_SEQ_CST);                              \
        *seen = old;                                                                              \
        return is_set;                                                                            \
    }                                                                                             \
    CK_CC_INLINE static bool ck_pr_cas_##name(type *at, type old, type value)                     \
    {                                                                                             \
        return ck_pr_cas_##name##_value(at, old, value, &old);                                    \
    }                                                                                             \
    CK_CC_INLINE static type ck_pr_fas_##name(type *at, type value)                               \
    {                                                                                             \
        return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);                                  \
    }                                                                                             \
    CK_CC_INLINE static type ck_pr_faa_##name(type *at, type value)                               \
    {                                                                                             \
        return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);                                   \
    }

SJ_PR_TYPE(8, uint8_t)
SJ_PR_TYPE(32, uint32_t)
SJ_PR_TYPE(64, uint64_t)
SJ_PR_TYPE(int, int)
SJ_PR_TYPE(uint, unsigned int)
#undef SJ_PR_TYPE

CK_CC_INLINE static void *ck_pr_md_load_ptr(const void *from)
{
    return __atomic_load_n((void *const *)from, __ATOMIC_SEQ_CST);
}

CK_CC_INLINE static void ck_pr_md_store_ptr(void *to, const void *value)
{
    __atomic_store_n((const void **)to, value, __ATOMIC_SEQ_CST);
}

CK_CC_INLINE static bool ck_pr_cas_ptr_value(void *at, void *old, void *value, void *seen)
{
    bool is_set = __atomic_compare_exchange_n((void **)at, &old, value, false, __ATOMIC_SEQ_CST,
                                              __ATOMIC_SEQ_CST);
    *(void **)seen = old;
    return is_set;
}

CK_CC_INLINE static bool ck_pr_cas_ptr(void *at, void *old, void *value)
{
    return ck_pr_cas_ptr_value(at, old, value, &old);
}

CK_CC_INLINE static void *ck_pr_fas_ptr(void *at, void *value)
{
    return __atomic_exchange_n((void **)at, value, __ATOMIC_SEQ_CST);
}

CK_CC_INLINE static void ck_pr_stall(void)
{
}

#define SJ_PR_FENCE(name)                                    \
    CK_CC_INLINE static void ck_pr_fence_strict_##name(void) \
    {                                                        \
        __asm__ __volatile__("" ::: "memory");               \
    }
SJ_PR_FENCE(store_load)
SJ_PR_FENCE(memory)
#undef SJ_PR_FENCE

/* What stands above, by the names under which ck asks for it. */
#define CK_F_PR_LOAD_8
#define CK_F_PR_STORE_8
#define CK_F_PR_CAS_8
#define CK_F_PR_CAS_8_VALUE
#define CK_F_PR_FAS_8
#define CK_F_PR_FAA_8
#define CK_F_PR_LOAD_32
#define CK_F_PR_STORE_32
#define CK_F_PR_CAS_32
#define CK_F_PR_CAS_32_VALUE
#define CK_F_PR_FAS_32
#define CK_F_PR_FAA_32
#define CK_F_PR_LOAD_64
#define CK_F_PR_STORE_64
#define CK_F_PR_CAS_64
#define CK_F_PR_CAS_64_VALUE
#define CK_F_PR_FAS_64
#define CK_F_PR_FAA_64
#define CK_F_PR_LOAD_INT
#define CK_F_PR_STORE_INT
#define CK_F_PR_CAS_INT
#define CK_F_PR_CAS_INT_VALUE
#define CK_F_PR_FAS_INT
#define CK_F_PR_FAA_INT
#define CK_F_PR_LOAD_UINT
#define CK_F_PR_STORE_UINT
#define CK_F_PR_CAS_UINT
#define CK_F_PR_CAS_UINT_VALUE
#define CK_F_PR_FAS_UINT
#define CK_F_PR_FAA_UINT
#define CK_F_PR_LOAD_PTR
#define CK_F_PR_STORE_PTR
#define CK_F_PR_CAS_PTR
#define CK_F_PR_CAS_PTR_VALUE
#define CK_F_PR_FAS_PTR

#endif
