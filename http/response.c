/* SPDX-License-Identifier: MIT */
#include "http/response.h"

#include "core/clock.h"
#include "http/negotiate.h"
#include "http/status.h"

#define SJ_COMMON "\r\nServer: scrubjay\r\nX-Content-Type-Options: nosniff\r\n"

void sj_composer_init(struct sj_composer *composer)
{
    composer->n_held = 0;
    composer->now = 0;
    composer->n_written = 0;
    composer->date_length = 0;
}

bool sj_composer_hold(struct sj_composer *composer)
{
    composer->n_held = (size_t)(composer->head.at - composer->scratch);
    return composer->n_held <= sizeof(composer->scratch) - SJ_SCRATCH;
}

void sj_composer_let_go(struct sj_composer *composer)
{
    composer->n_held = 0;
}

time_t sj_composer_now(struct sj_composer *composer)
{
    struct timespec now;
    struct sj_writer writer = {composer->date, composer->date + sizeof(composer->date), false};

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec == composer->now)
        return composer->now;
    composer->now = now.tv_sec;
    sj_write_literal(&writer, "Date: ");
    sj_date_format(writer.at, now.tv_sec);
    writer.at += SJ_DATE_LENGTH;
    sj_write_literal(&writer, SJ_COMMON);
    composer->date_length = (size_t)(writer.at - composer->date);
    return composer->now;
}

/* A handler may use codes that have no phrase here. */
static void write_status(struct sj_writer *head, int status)
{
    if (sj_status_is_known(status)) {
        sj_write_text(head, sj_status_line(status));
        return;
    }
    sj_write_literal(head, "HTTP/1.1 ");
    sj_write_number(head, (uint64_t)status);
    sj_write_literal(head, " \r\n");
}

void sj_response_begin(struct sj_composer *composer, struct sj_exchange *exchange, int status)
{
    struct sj_writer *head = &composer->head;
    char *begin = composer->scratch + composer->n_held;

    sj_composer_now(composer);
    composer->n_written++;
    exchange->status = status;
    *head = (struct sj_writer){begin, begin + SJ_SCRATCH, false};
    write_status(head, status);
    sj_write(head, composer->date, composer->date_length);
    if (exchange->closes)
        sj_write_literal(head, "Connection: close\r\n");
    else if (exchange->request.minor == 0)
        sj_write_literal(head, "Connection: keep-alive\r\n");
}

void sj_response_field(struct sj_composer *composer, struct sj_text name, struct sj_text value)
{
    sj_write_text(&composer->head, name);
    sj_write_literal(&composer->head, ": ");
    sj_write_text(&composer->head, value);
    sj_write_literal(&composer->head, "\r\n");
}

void sj_response_length(struct sj_composer *composer, uint64_t length)
{
    sj_write_literal(&composer->head, "Content-Length: ");
    sj_write_number(&composer->head, length);
    sj_write_literal(&composer->head, "\r\n");
}

bool sj_response_end(struct sj_composer *composer, struct sj_exchange *exchange)
{
    struct sj_writer *head = &composer->head;
    const char *begin = composer->scratch + composer->n_held;
    size_t length;

    sj_write_literal(head, "\r\n");
    length = (size_t)(head->at - begin);
    exchange->response_head = (uint32_t)length;
    sj_output_add(&exchange->output, (struct sj_part){.bytes = begin, .length = length});
    return !head->is_full;
}

static void write_page(struct sj_writer *body, struct sj_text title, bool is_html)
{
    if (is_html) {
        sj_write_literal(body,
                         "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>");
        sj_write_text(body, title);
        sj_write_literal(body, "</title>\n<h1>");
        sj_write_text(body, title);
        sj_write_literal(body, "</h1>\n</html>\n");
    } else {
        sj_write_text(body, title);
        sj_write_literal(body, "\n");
    }
}

void sj_response_error(struct sj_composer *composer, struct sj_exchange *exchange, int status)
{
    const struct sj_request *request = &exchange->request;
    bool is_html =
        request->state == SJ_REQUEST_DONE && sj_negotiate_wants_html(request, exchange->buffer);
    char page[256];
    struct sj_writer body = {page, page + sizeof(page), false};
    struct sj_text text = {page, 0};

    write_page(&body, sj_status_is_known(status) ? sj_status_phrase(status) : SJ_TEXT("Error"),
               is_html);
    text.length = (size_t)(body.at - page);
    sj_output_fini(&exchange->output);
    sj_response_begin(composer, exchange, status);
    if (status == 405)
        sj_write_literal(&composer->head, SJ_ALLOW);
    if (status == 503)
        sj_write_literal(&composer->head, "Retry-After: 1\r\n");
    if (status >= 500 || status == 404)
        sj_write_literal(&composer->head, "Cache-Control: no-store\r\n");
    sj_response_field(composer, SJ_TEXT("Content-Type"),
                      is_html ? SJ_TEXT("text/html; charset=utf-8")
                              : SJ_TEXT("text/plain; charset=utf-8"));
    sj_response_length(composer, text.length);
    sj_response_end(composer, exchange);
    if (request->method != SJ_HEAD) {
        /* the page follows the head in scratch, so both are one part */
        sj_write_text(&composer->head, text);
        exchange->output.parts[0].length += text.length;
    }
}
