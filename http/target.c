/* SPDX-License-Identifier: MIT */
#include "http/target.h"

#include <arpa/inet.h>

#include "http/octet.h"

#define PORT_DIGITS_MAX 5
#define PORT_MAX        65535

/* Is there a valid escape at `at`? */
static bool is_escape(const char *at, const char *end)
{
    return end - at >= 3 && at[0] == '%' && sj_octet_is(at[1], SJ_OCTET_HEX) &&
           sj_octet_is(at[2], SJ_OCTET_HEX);
}

/* Past all octets of the class and escapes. */
static const char *skip_escaped(const char *at, const char *end, unsigned class)
{
    for (;;) {
        at = sj_octets_skip(at, end, class);
        if (!is_escape(at, end))
            return at;
        at += 3;
    }
}

/* IPvFuture: "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool is_future_address(const char *at, const char *end)
{
    const char *dot = sj_octets_skip(at + 1, end, SJ_OCTET_HEX);
    const char *rest = dot + 1;

    if (dot == at + 1 || dot == end || *dot != '.' || rest == end)
        return false;
    for (; rest < end; rest++)
        if (*rest != ':' && !sj_octet_is(*rest, SJ_OCTET_REG_NAME))
            return false;
    return true;
}

/* What stands between the brackets. */
static bool is_literal_address(const char *at, const char *end)
{
    size_t length = (size_t)(end - at);
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (length > 0 && (*at | 0x20) == 'v')
        return is_future_address(at, end);
    if (length >= sizeof(text) || memchr(at, '\0', length) != NULL)
        return false;
    memcpy(text, at, length);
    text[length] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* The end of a valid host, or NULL. */
static const char *skip_host(const char *at, const char *end)
{
    const char *host_end;

    if (at < end && *at == '[') {
        host_end = memchr(at, ']', (size_t)(end - at));
        return host_end != NULL && is_literal_address(at + 1, host_end) ? host_end + 1 : NULL;
    }
    host_end = skip_escaped(at, end, SJ_OCTET_REG_NAME);
    return host_end > at ? host_end : NULL;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && sj_octet_is_digit(*at))
        at++;
    return at;
}

bool sj_authority_is_valid(struct sj_text authority)
{
    const char *end = authority.at + authority.length;
    const char *at = skip_host(authority.at, end);

    if (at == NULL)
        return false;
    if (at < end && *at == ':')
        at = skip_digits(at + 1, end);
    return at == end;
}

/* CONNECT needs a port that one can connect to (RFC 9110 section 9.3.6).  Of a valid authority. */
static bool has_port(struct sj_text authority)
{
    const char *end = authority.at + authority.length;
    const char *at = skip_host(authority.at, end);
    unsigned port = 0;

    if (at == end || end - at > 1 + PORT_DIGITS_MAX)
        return false;
    for (at++; at < end; at++)
        port = port * 10 + (unsigned)(*at - '0');
    return port > 0 && port <= PORT_MAX;
}

/* RFC 3986 section 5.2.4, for the last segment of the path [room, end), which begins at the slash
 * `first`: the end of the path without it when it is a dot segment, else `end`. */
static char *drop_dots(char *room, char *first, char *end)
{
    size_t length = (size_t)(end - first);

    if (length == 2 && memcmp(first, "/.", 2) == 0)
        return first;
    if (length != 3 || memcmp(first, "/..", 3) != 0)
        return end;
    return first > room ? memrchr(room, '/', (size_t)(first - room)) : room;
}

/* Decodes [at, end), which begins with "/".  The path's length in `room`, or 0 with `*status`. */
static size_t decode_path(const char *at, const char *end, char *room, int *status)
{
    char *to = room, *segment = room, *kept;

    *status = 0;
    for (; at < end; at++) {
        char octet = *at;

        if (octet == '/') {
            to = segment = drop_dots(room, segment, to);
        } else if (is_escape(at, end)) {
            octet = (char)(sj_octet_hex(at[1]) << 4 | sj_octet_hex(at[2]));
            at += 2;
            if (octet == '\0')
                *status = 400;
            else if (octet == '/' && *status == 0)
                *status = 404;
        } else if (!sj_octet_is(octet, SJ_OCTET_PATH)) {
            *status = 400;
            return 0;
        }
        *to++ = octet;
    }
    kept = drop_dots(room, segment, to);
    if (kept != to)
        *kept++ = '/';
    *kept = '\0';
    return (size_t)(kept - room);
}

/* [ path ] [ "?" query ] */
static int parse_path(const char *at, const char *end, char *room, struct sj_target *target)
{
    const char *path_end = memchr(at, '?', (size_t)(end - at));
    int status = 0;

    if (path_end == NULL) {
        path_end = end;
    } else {
        target->query = (struct sj_text){path_end + 1, (size_t)(end - path_end - 1)};
        if (skip_escaped(path_end + 1, end, SJ_OCTET_QUERY) != end)
            return 400;
    }
    target->path = (struct sj_text){room, 1};
    if (path_end > at)
        target->path.length = decode_path(at, path_end, room, &status);
    else
        memcpy(room, "/", 2);
    return status;
}

static int parse_asterisk(enum sj_method method, char *room, struct sj_target *target)
{
    memcpy(room, "*", 2);
    target->form = SJ_TARGET_ASTERISK;
    target->path = (struct sj_text){room, 1};
    return method == SJ_OPTIONS ? 0 : 400;
}

static int parse_authority(struct sj_text raw, char *room, struct sj_target *target)
{
    *room = '\0';
    target->form = SJ_TARGET_AUTHORITY;
    target->path = (struct sj_text){room, 0};
    target->authority = raw;
    return sj_authority_is_valid(raw) && has_port(raw) ? 0 : 400;
}

/* The octets of "http://" or "https://" at the beginning, or 0. */
static size_t scheme_length(struct sj_text raw)
{
    static const struct sj_text schemes[] = {SJ_TEXT("http://"), SJ_TEXT("https://")};

    for (unsigned i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
        if (raw.length >= schemes[i].length &&
            sj_text_equals_nocase((struct sj_text){raw.at, schemes[i].length}, schemes[i]))
            return schemes[i].length;
    return 0;
}

static int parse_absolute(enum sj_method method, struct sj_text raw, char *room,
                          struct sj_target *target)
{
    const char *end = raw.at + raw.length, *at = raw.at + scheme_length(raw), *first = at;

    if (at == raw.at)
        return 400;
    while (at < end && *at != '/' && *at != '?')
        at++;
    target->form = SJ_TARGET_ABSOLUTE;
    target->authority = (struct sj_text){first, (size_t)(at - first)};
    if (!sj_authority_is_valid(target->authority))
        return 400;
    if (at == end && method == SJ_OPTIONS) /* RFC 9112 section 3.2.4 */
        return parse_asterisk(method, room, target);
    return parse_path(at, end, room, target);
}

int sj_target_parse(enum sj_method method, struct sj_text raw, char *room, struct sj_target *target)
{
    *target = (struct sj_target){.form = SJ_TARGET_ORIGIN};
    if (method == SJ_CONNECT)
        return parse_authority(raw, room, target);
    if (raw.length == 1 && *raw.at == '*')
        return parse_asterisk(method, room, target);
    if (raw.length > 0 && *raw.at == '/')
        return parse_path(raw.at, raw.at + raw.length, room, target);
    return parse_absolute(method, raw, room, target);
}
