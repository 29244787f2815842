/* SPDX-License-Identifier: MIT */
#include "http/status.h"

#define SJ_STATUSES(ROW)                        \
    ROW(200, "OK")                              \
    ROW(201, "Created")                         \
    ROW(202, "Accepted")                        \
    ROW(204, "No Content")                      \
    ROW(205, "Reset Content")                   \
    ROW(206, "Partial Content")                 \
    ROW(301, "Moved Permanently")               \
    ROW(302, "Found")                           \
    ROW(303, "See Other")                       \
    ROW(304, "Not Modified")                    \
    ROW(307, "Temporary Redirect")              \
    ROW(308, "Permanent Redirect")              \
    ROW(400, "Bad Request")                     \
    ROW(401, "Unauthorized")                    \
    ROW(403, "Forbidden")                       \
    ROW(404, "Not Found")                       \
    ROW(405, "Method Not Allowed")              \
    ROW(406, "Not Acceptable")                  \
    ROW(408, "Request Timeout")                 \
    ROW(409, "Conflict")                        \
    ROW(410, "Gone")                            \
    ROW(411, "Length Required")                 \
    ROW(412, "Precondition Failed")             \
    ROW(413, "Content Too Large")               \
    ROW(414, "URI Too Long")                    \
    ROW(415, "Unsupported Media Type")          \
    ROW(416, "Range Not Satisfiable")           \
    ROW(417, "Expectation Failed")              \
    ROW(422, "Unprocessable Content")           \
    ROW(429, "Too Many Requests")               \
    ROW(431, "Request Header Fields Too Large") \
    ROW(500, "Internal Server Error")           \
    ROW(501, "Not Implemented")                 \
    ROW(502, "Bad Gateway")                     \
    ROW(503, "Service Unavailable")             \
    ROW(504, "Gateway Timeout")                 \
    ROW(505, "HTTP Version Not Supported")      \
    ROW(507, "Insufficient Storage")

#define SJ_BEFORE_PHRASE 13 /* "HTTP/1.1 404 " */

bool sj_status_is_known(int status)
{
    switch (status) {
#define ROW(code, phrase) case code:
        SJ_STATUSES(ROW)
#undef ROW
        return true;
    default:
        return false;
    }
}

struct sj_text sj_status_line(int status)
{
    switch (status) {
#define ROW(code, phrase) \
    case code:            \
        return SJ_TEXT("HTTP/1.1 " #code " " phrase "\r\n");
        SJ_STATUSES(ROW)
#undef ROW
    default:
        return sj_status_line(500);
    }
}

struct sj_text sj_status_phrase(int status)
{
    struct sj_text line = sj_status_line(status);
    return (struct sj_text){line.at + SJ_BEFORE_PHRASE, line.length - SJ_BEFORE_PHRASE - 2};
}
