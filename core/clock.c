/* SPDX-License-Identifier: MIT */
/*
 * The C library's calendar asks the locale, the time zone and sometimes a lock; the dates of
 * HTTP need none of the three.  Days are counted from 1 January of the year 0 (proleptic
 * Gregorian), so that no count below is ever negative.
 */
#include "core/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define DAY_SECONDS 86400
#define EPOCH_DAYS  719528           /* 1970-01-01 */
#define OLDEST      (-62167219200LL) /* 0000-01-01 00:00:00 */
#define NEWEST      253402300799LL   /* 9999-12-31 23:59:59 */
#define YEARS_AHEAD 50               /* of a two-digit year: RFC 9110 section 5.6.7 */
#define NAME_LENGTH 3                /* of a short day name or a month */

struct date {
    int64_t year;
    int month; /* 0-11 */
    int day;   /* 1-31 */
    int hour, minute, second;
    int week_day; /* 0 is Sunday */
};

static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static const int days_before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t days_before_year(int64_t year)
{
    return year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

/* The days of the year before that month; 12 gives the year's length. */
static int days_before(int64_t year, int month)
{
    return days_before_month[month] + (month > 1 && is_leap(year));
}

static int64_t seconds_of(const struct date *date)
{
    int64_t days =
        days_before_year(date->year) + days_before(date->year, date->month) + date->day - 1;

    return (days - EPOCH_DAYS) * DAY_SECONDS + date->hour * 3600 + date->minute * 60 + date->second;
}

/* Times outside the years 0 to 9999, which no date can name, become the nearest that has one. */
static struct date date_of(int64_t seconds)
{
    int64_t since = (seconds < OLDEST ? OLDEST : seconds > NEWEST ? NEWEST : seconds) - OLDEST;
    int64_t days = since / DAY_SECONDS;
    int left = (int)(since % DAY_SECONDS);
    struct date date = {.year = days * 400 / days_before_year(400),
                        .hour = left / 3600,
                        .minute = left / 60 % 60,
                        .second = left % 60,
                        .week_day = (int)((days + 6) % 7)};

    /* The mean length of a year puts the estimate next to the truth. */
    while (days_before_year(date.year) > days)
        date.year--;
    while (days_before_year(date.year + 1) <= days)
        date.year++;
    int day = (int)(days - days_before_year(date.year));
    while (days_before(date.year, date.month + 1) <= day)
        date.month++;
    date.day = day - days_before(date.year, date.month) + 1;
    return date;
}

uint64_t sj_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t sj_clock_coarse_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static char *put_number(char *to, int64_t number, int digits)
{
    for (int i = digits; i-- > 0; number /= 10)
        to[i] = (char)('0' + number % 10);
    return to + digits;
}

static char *put_time(char *to, const struct date *date)
{
    to = put_number(to, date->hour, 2);
    *to++ = ':';
    to = put_number(to, date->minute, 2);
    *to++ = ':';
    return put_number(to, date->second, 2);
}

void sj_date_format(char *to, time_t seconds)
{
    struct date date = date_of(seconds);

    to = mempcpy(to, day_names[date.week_day], NAME_LENGTH);
    to = mempcpy(to, ", ", 2);
    to = put_number(to, date.day, 2);
    *to++ = ' ';
    to = mempcpy(to, month_names[date.month], NAME_LENGTH);
    *to++ = ' ';
    to = put_number(to, date.year, 4);
    *to++ = ' ';
    to = put_time(to, &date);
    memcpy(to, " GMT", 4);
}

void sj_stamp_format(char *to, const struct timespec *at)
{
    struct date date = date_of(at->tv_sec);

    to = put_number(to, date.year, 4);
    *to++ = '-';
    to = put_number(to, date.month + 1, 2);
    *to++ = '-';
    to = put_number(to, date.day, 2);
    *to++ = 'T';
    to = put_time(to, &date);
    *to++ = '.';
    to = put_number(to, at->tv_nsec / 1000000, 3);
    *to = 'Z';
}

struct cursor {
    const char *at;
    const char *end;
};

static bool take_text(struct cursor *from, const char *text, size_t length)
{
    if ((size_t)(from->end - from->at) < length || memcmp(from->at, text, length) != 0)
        return false;
    from->at += length;
    return true;
}

static bool take_digits(struct cursor *from, int digits, int *number)
{
    if (from->end - from->at < digits)
        return false;
    *number = 0;
    for (; digits > 0; digits--, from->at++) {
        if (*from->at < '0' || *from->at > '9')
            return false;
        *number = *number * 10 + (*from->at - '0');
    }
    return true;
}

/* `length` 0: names are taken whole. */
static bool take_name(struct cursor *from, const char *const *names, int n_names, size_t length,
                      int *found)
{
    for (int i = 0; i < n_names; i++)
        if (take_text(from, names[i], length != 0 ? length : strlen(names[i]))) {
            *found = i;
            return true;
        }
    return false;
}

static bool take_year(struct cursor *from, int digits, struct date *date)
{
    int year;

    if (!take_digits(from, digits, &year))
        return false;
    date->year = year;
    return true;
}

/* The letters are strptime's; it cannot be used itself: it reads by locale, skips white
 * space, and ignores case. */
static bool take_field(struct cursor *from, char letter, struct date *date)
{
    switch (letter) {
    case 'a':
        return take_name(from, day_names, 7, NAME_LENGTH, &date->week_day);
    case 'A':
        return take_name(from, day_names, 7, 0, &date->week_day);
    case 'b':
        return take_name(from, month_names, 12, NAME_LENGTH, &date->month);
    case 'd':
        return take_digits(from, 2, &date->day);
    case 'e':
        return take_digits(from, take_text(from, " ", 1) ? 1 : 2, &date->day);
    case 'Y':
        return take_year(from, 4, date);
    case 'y':
        return take_year(from, 2, date);
    case 'H':
        return take_digits(from, 2, &date->hour);
    case 'M':
        return take_digits(from, 2, &date->minute);
    default:
        return take_digits(from, 2, &date->second);
    }
}

static bool take_form(const char *text, size_t length, const char *form, struct date *date)
{
    struct cursor from = {text, text + length};

    for (; *form != '\0'; form++)
        if (!(*form == '%' ? take_field(&from, *++form, date) : take_text(&from, form, 1)))
            return false;
    return from.at == from.end;
}

static void guess_century(struct date *date, time_t now)
{
    struct date limit = date_of(now);

    date->year += limit.year / 100 * 100;
    limit.year += YEARS_AHEAD;
    if (seconds_of(date) > seconds_of(&limit))
        date->year -= 100;
}

static bool is_possible(const struct date *date)
{
    int days = days_before(date->year, date->month + 1) - days_before(date->year, date->month);

    return date->day >= 1 && date->day <= days && date->hour < 24 && date->minute < 60 &&
           date->second <= 60; /* a leap second; it counts as the next minute's first */
}

int sj_date_parse(const char *text, size_t length, time_t now, time_t *seconds)
{
    struct date date = {0};

    if (take_form(text, length, "%A, %d-%b-%y %H:%M:%S GMT", &date))
        guess_century(&date, now);
    else if (!take_form(text, length, "%a, %d %b %Y %H:%M:%S GMT", &date) &&
             !take_form(text, length, "%a %b %e %H:%M:%S %Y", &date))
        return -EINVAL;
    if (!is_possible(&date))
        return -EINVAL;
    *seconds = seconds_of(&date);
    return 0;
}
