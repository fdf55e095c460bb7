/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bodies that are forms with a file (multipart/form-data, RFC 7578), taken apart as they come: the file goes to the
 * request's file, short fields beside it. For the thread of the sockets.
 */
#ifndef LOCKSTEP_SERVE_FORM_H
#define LOCKSTEP_SERVE_FORM_H

#include <microhttpd.h>

#include "serve/request.h"

struct ls_form;

/* NULL: the request's Content-Type is none of a form (or no memory). req must want a file, and outlives the form. */
struct ls_form *ls_form_new(struct MHD_Connection *mhd, struct ls_request *req, uint64_t max_file_bytes);
/* What is wrong with the form shows in ls_form_end. */
void ls_form_add(struct ls_form *form, const char *data, size_t len);
/* NULL when the form was whole, else what is wrong with it. Frees it; takes NULL. */
const char *ls_form_end(struct ls_form *form);

#endif
