/* SPDX-License-Identifier: MIT */
/* Input: an HTTP-date.  Three expressions, sscanf and timegm say what it means. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "tests/http/head.h"

#define NOW        1795251600 /* 2026-11-21 09:00:00 */
#define NOW_IN_50Y 3373174800 /* 2076-11-21 09:00:00 */

#define NEWEST 253402300799 /* 9999-12-31 23:59:59; a leap second may follow it */

#define SHORT_DAY "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
#define LONG_DAY  "(Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
#define MONTH     "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
#define TIME      "([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)"

static struct pattern imf_fixdate = {.text = "^" SHORT_DAY ", [0-9]{2} " MONTH " [0-9]{4} " TIME
                                             " GMT$"};
static struct pattern rfc850_date = {.text = "^" LONG_DAY ", [0-9]{2}-" MONTH "-[0-9]{2} " TIME
                                             " GMT$"};
static struct pattern asctime_date = {.text = "^" SHORT_DAY " " MONTH " ([0-9]{2}| [0-9]) " TIME
                                              " [0-9]{4}$"};

static int month_of(const char *name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    return (int)(strstr(names, name) - names) / 3;
}

/* Of the form that matched; false: none. */
static bool read_parts(const char *text, size_t length, struct tm *parts)
{
    char day[16], month[4];
    int n = 0;

    if (matches(&imf_fixdate, text, length))
        n = sscanf(text, "%15[^,], %d %3s %d %d:%d:%d", day, &parts->tm_mday, month,
                   &parts->tm_year, &parts->tm_hour, &parts->tm_min, &parts->tm_sec);
    else if (matches(&rfc850_date, text, length))
        n = sscanf(text, "%15[^,], %d-%3s-%d %d:%d:%d", day, &parts->tm_mday, month,
                   &parts->tm_year, &parts->tm_hour, &parts->tm_min, &parts->tm_sec);
    else if (matches(&asctime_date, text, length))
        n = sscanf(text, "%15s %3s %d %d:%d:%d %d", day, month, &parts->tm_mday, &parts->tm_hour,
                   &parts->tm_min, &parts->tm_sec, &parts->tm_year);
    if (n != 7)
        return false;
    parts->tm_mon = month_of(month);
    return true;
}

static time_t seconds_of(struct tm parts, int year)
{
    parts.tm_year = year - 1900;
    return timegm(&parts);
}

/* False: that day does not exist, or there is no date at all. */
static bool expect(const char *text, size_t length, time_t *seconds)
{
    struct tm parts = {0}, first;
    int year;

    if (!read_parts(text, length, &parts))
        return false;
    year = parts.tm_year;
    if (matches(&rfc850_date, text, length)) {
        year += 2000;
        if (seconds_of(parts, year) > NOW_IN_50Y)
            year -= 100;
    }
    *seconds = seconds_of(parts, year);
    first = parts;
    first.tm_hour = first.tm_min = first.tm_sec = 0;
    first.tm_year = year - 1900;
    timegm(&first);
    return first.tm_mday == parts.tm_mday && first.tm_mon == parts.tm_mon;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = copy_exactly((const char *)data, size), *text = malloc(size + 1);
    time_t expected = 0, seconds = 0, again = 0;
    int error = sj_date_parse(copy, size, NOW, &seconds);
    char date[SJ_DATE_LENGTH];

    assert(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (expect(text, size, &expected)) {
        assert(error == 0 && seconds == expected);
        sj_date_format(date, seconds);
        assert(sj_date_parse(date, sizeof(date), NOW, &again) == 0);
        assert(again == (seconds > NEWEST ? NEWEST : seconds));
    } else {
        assert(error == -EINVAL);
    }
    free(text);
    free(copy);
    return 0;
}
