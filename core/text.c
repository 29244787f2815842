/* SPDX-License-Identifier: MIT */
#include "core/text.h"

/* tolower would ask the locale. */
static unsigned char lower(char octet)
{
    return octet >= 'A' && octet <= 'Z' ? (unsigned char)(octet | 0x20) : (unsigned char)octet;
}

bool sj_text_equals_nocase(struct sj_text a, struct sj_text b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

void sj_write_number(struct sj_writer *writer, uint64_t number)
{
    char digits[20]; /* of UINT64_MAX */
    char *first = digits + sizeof(digits);

    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    sj_write(writer, first, (size_t)(digits + sizeof(digits) - first));
}
