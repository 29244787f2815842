/* SPDX-License-Identifier: MIT */
/* Linked with: -Wl,--wrap=sj_clock_ns -Wl,--wrap=event_add */
#include "http/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MS 1000000ull

static struct sj_deadlines deadlines;
static struct event_base *base;
static struct sj_deadline items[4];
static char order[16]; /* of expiry: an item's letter each */
static unsigned n_expired;
static unsigned again;    /* so many expiries set the item again, in queue 0 */
static uint64_t now_ns;   /* the clock */
static uint64_t armed_us; /* what the timer was told last */
static unsigned n_armed;

uint64_t __wrap_sj_clock_ns(void);
int __wrap_event_add(struct event *event, const struct timeval *wait);

uint64_t __wrap_sj_clock_ns(void)
{
    return now_ns;
}

int __wrap_event_add(struct event *event, const struct timeval *wait)
{
    (void)event;
    armed_us = (uint64_t)wait->tv_sec * 1000000 + (uint64_t)wait->tv_usec;
    n_armed++;
    return 0;
}

static void expire(struct sj_deadline *deadline, uint64_t at_ns)
{
    assert_int_equal(at_ns, now_ns);
    order[n_expired++] = (char)('a' + (deadline - items));
    if (again > 0) {
        again--;
        sj_deadline_move(&deadlines, deadline, 0, at_ns);
    } else {
        sj_deadline_remove(&deadlines, deadline);
    }
}

static int begin(void **state)
{
    (void)state;
    now_ns = 1000 * MS;
    n_expired = n_armed = again = 0;
    for (size_t i = 0; i < sizeof(order); i++)
        order[i] = '\0';
    base = event_base_new();
    sj_deadlines_init(&deadlines, base, expire);
    deadlines.durations_ns[0] = 100 * MS;
    deadlines.durations_ns[1] = 1000 * MS;
    return base == NULL;
}

static int end(void **state)
{
    (void)state;
    sj_deadlines_fini(&deadlines);
    event_base_free(base);
    return 0;
}

static void pass(uint64_t ms)
{
    now_ns += ms * MS;
    event_active(&deadlines.timer, EV_TIMEOUT, 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void what_is_due_expires_oldest_first(void **state)
{
    (void)state;
    sj_deadline_add(&deadlines, &items[0], 0, now_ns);
    sj_deadline_add(&deadlines, &items[1], 0, now_ns + 10 * MS);
    sj_deadline_add(&deadlines, &items[2], 0, now_ns + 80 * MS);
    pass(110);
    assert_string_equal(order, "ab");
    pass(80);
    assert_string_equal(order, "abc");
}

static void what_is_not_due_stays(void **state)
{
    (void)state;
    sj_deadline_add(&deadlines, &items[0], 0, now_ns);
    pass(99);
    assert_string_equal(order, "");
    pass(1);
    assert_string_equal(order, "a");
}

static void queues_wait_for_their_own_time(void **state)
{
    (void)state;
    sj_deadline_add(&deadlines, &items[0], 1, now_ns);
    sj_deadline_add(&deadlines, &items[1], 0, now_ns);
    pass(100);
    assert_string_equal(order, "b");
    pass(900);
    assert_string_equal(order, "ba");
}

static void a_move_begins_the_time_anew(void **state)
{
    (void)state;
    sj_deadline_add(&deadlines, &items[0], 0, now_ns);
    sj_deadline_add(&deadlines, &items[1], 0, now_ns);
    sj_deadline_move(&deadlines, &items[0], 0, now_ns + 50 * MS);
    pass(100);
    assert_string_equal(order, "b");
    pass(50);
    assert_string_equal(order, "ba");
}

static void what_is_removed_does_not_expire(void **state)
{
    (void)state;
    sj_deadline_add(&deadlines, &items[0], 0, now_ns);
    sj_deadline_add(&deadlines, &items[1], 0, now_ns);
    sj_deadline_remove(&deadlines, &items[0]);
    pass(100);
    assert_string_equal(order, "b");
}

static void what_is_set_again_on_expiry_waits_again(void **state)
{
    (void)state;
    sj_deadline_add(&deadlines, &items[0], 0, now_ns);
    again = 1;
    pass(500);
    assert_string_equal(order, "a");
    pass(100);
    assert_string_equal(order, "aa");
}

static void the_timer_is_armed_for_the_earliest(void **state)
{
    (void)state;
    sj_deadline_add(&deadlines, &items[0], 1, now_ns);
    assert_in_range(armed_us, 1000 * 1000, 1100 * 1000);
    sj_deadline_add(&deadlines, &items[1], 0, now_ns);
    assert_in_range(armed_us, 100 * 1000, 200 * 1000);
}

static void setting_a_later_one_leaves_the_timer_alone(void **state)
{
    (void)state;
    sj_deadline_add(&deadlines, &items[0], 0, now_ns);
    assert_int_equal(n_armed, 1);
    sj_deadline_add(&deadlines, &items[1], 0, now_ns);
    sj_deadline_add(&deadlines, &items[2], 1, now_ns);
    sj_deadline_move(&deadlines, &items[2], 1, now_ns + 5);
    assert_int_equal(n_armed, 1);
}

static void without_items_the_timer_is_not_armed(void **state)
{
    (void)state;
    sj_deadline_add(&deadlines, &items[0], 0, now_ns);
    pass(100);
    assert_int_equal(n_armed, 1);
    sj_deadline_add(&deadlines, &items[0], 1, now_ns); /* and can be again */
    assert_int_equal(n_armed, 2);
}

static void expiry_arms_for_what_is_left(void **state)
{
    (void)state;
    sj_deadline_add(&deadlines, &items[0], 0, now_ns);
    sj_deadline_add(&deadlines, &items[1], 1, now_ns);
    pass(100);
    assert_int_equal(n_armed, 2);
    assert_in_range(armed_us, 900 * 1000, 1000 * 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_due_expires_oldest_first),
        TEST(what_is_not_due_stays),
        TEST(queues_wait_for_their_own_time),
        TEST(a_move_begins_the_time_anew),
        TEST(what_is_removed_does_not_expire),
        TEST(what_is_set_again_on_expiry_waits_again),
        TEST(the_timer_is_armed_for_the_earliest),
        TEST(setting_a_later_one_leaves_the_timer_alone),
        TEST(without_items_the_timer_is_not_armed),
        TEST(expiry_arms_for_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
