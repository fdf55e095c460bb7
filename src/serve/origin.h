/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Is this request meant for us, and was it no foreign page that sent it?
 *
 * Host must be an address, localhost or a configured name: a page whose name was pointed at our address (DNS rebinding)
 * bears another. A browser says where a page is from that sends something: it must be from here.
 */
#ifndef LOCKSTEP_SERVE_ORIGIN_H
#define LOCKSTEP_SERVE_ORIGIN_H

#include "serve/request.h"

/* hosts: further names that Host may bear, NULL-terminated, or NULL. False: the reply says why not. */
bool ls_origin_check(const struct ls_request *req, const char *const *hosts, struct ls_reply *reply);

#endif
