/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Streams of events that follow a job. For http.c and the main thread. */
#ifndef LOCKSTEP_SERVE_EVENTS_H
#define LOCKSTEP_SERVE_EVENTS_H

#include <microhttpd.h>

struct ls_serve;

/* NULL when there are too many streams, or no memory. */
struct MHD_Response *ls_events_response(struct ls_serve *serve, struct MHD_Connection *mhd, const char *job);
/* Let all streams look for news; those of a server that drains end. */
void ls_events_wake(struct ls_serve *serve);

#endif
