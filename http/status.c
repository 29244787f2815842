/* SPDX-License-Identifier: MIT */
#include "http/status.h"

#define SJ_STATUSES(ROW)                        \
    ROW(200, "OK")                              \
    ROW(204, "No Content")                      \
    ROW(206, "Partial Content")                 \
    ROW(302, "Found")                           \
    ROW(304, "Not Modified")                    \
    ROW(400, "Bad Request")                     \
    ROW(403, "Forbidden")                       \
    ROW(404, "Not Found")                       \
    ROW(405, "Method Not Allowed")              \
    ROW(408, "Request Timeout")                 \
    ROW(412, "Precondition Failed")             \
    ROW(413, "Content Too Large")               \
    ROW(414, "URI Too Long")                    \
    ROW(416, "Range Not Satisfiable")           \
    ROW(417, "Expectation Failed")              \
    ROW(431, "Request Header Fields Too Large") \
    ROW(500, "Internal Server Error")           \
    ROW(501, "Not Implemented")                 \
    ROW(503, "Service Unavailable")             \
    ROW(505, "HTTP Version Not Supported")

#define SJ_BEFORE_PHRASE 13 /* "HTTP/1.1 404 " */

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
