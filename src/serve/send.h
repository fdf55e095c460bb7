/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Objects as answers: whole or a range of them, with their etags. */
#ifndef LOCKSTEP_SERVE_SEND_H
#define LOCKSTEP_SERVE_SEND_H

#include "lockstep/store.h"
#include "serve/request.h"

struct ls_serve;

/* Answer with the object that info tells of, or with what Range asks of it, or that the client has it (If-None-Match).
 * type is what the client shall take the bytes for; it lives on. */
void ls_send_object(struct ls_serve *serve, const struct ls_request *req, const char *key,
                    const struct ls_object_info *info, const char *type, struct ls_reply *reply);

#endif
