/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A scripted HTTP server in a thread of the test, on a free port of 127.0.0.1.
 *
 * Whole requests get the queued answers in the order in which they arrive; when there are none left, the last one
 * again. Everything that was asked is kept. One thread serves all connections.
 */
#ifndef LOCKSTEP_TESTS_HTTP_STUB_H
#define LOCKSTEP_TESTS_HTTP_STUB_H

#include <stddef.h>

struct stub;

enum stub_then {
    STUB_KEEP,  /* keep the connection open */
    STUB_CLOSE, /* close it after the answer */
    STUB_HANG   /* never answer; the bytes are sent, though */
};

/* Start it; ends the test program when that fails. */
struct stub *stub_start(void);
void stub_stop(struct stub *stub);

/* "http://127.0.0.1:port" */
const char *stub_origin(const struct stub *stub);

/* Queue raw bytes as the next answer; "" with STUB_CLOSE = closed without a word. */
void stub_answer(struct stub *stub, const char *bytes, enum stub_then then);
/* Queue an answer with status line, headers ("Name: value\r\n"…), Content-Length and body. */
void stub_reply(struct stub *stub, int status, const char *headers, const char *body);
/* Drop what is queued and forget what was asked. */
void stub_reset(struct stub *stub);

size_t stub_requests(struct stub *stub);
size_t stub_connections(struct stub *stub);
/* Head and body of the i-th request; valid until reset or stop. */
const char *stub_request(struct stub *stub, size_t i);
/* Wait until n requests have come; ends the test program after 60 s. */
void stub_wait(struct stub *stub, size_t n);

#endif
