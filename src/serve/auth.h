/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who calls: bearer tokens, read from their file whenever that changes, and a limit on wrong ones.
 *
 * A right token always passes, whatever was tried before: the limit only makes wrong ones cheap (no log line, 429). It
 * counts by the caller's address, so behind a proxy for all together. Threads: every call may come from any thread.
 */
#ifndef LOCKSTEP_SERVE_AUTH_H
#define LOCKSTEP_SERVE_AUTH_H

#include <sys/socket.h>

#include "serve/request.h"

struct ls_auth;

/* An absent file means that there are no tokens (yet). */
enum ls_rc ls_auth_open(const char *tokens_path, struct ls_auth **out_auth, struct ls_err *err) LS_MUST_CHECK;
void ls_auth_close(struct ls_auth *auth); /* takes NULL */
size_t ls_auth_count(struct ls_auth *auth);
/* Is there a token of this role? */
bool ls_auth_has_role(struct ls_auth *auth, enum ls_role role);
/* Read the file again if it has changed, or in any case with force. Tokens stay as they are when it cannot be read. */
void ls_auth_reload(struct ls_auth *auth, bool force);

/* Does the request's token have one of the roles of its route? Sets req->who and req->role; false: the reply says why
 * not. peer may be NULL. */
bool ls_auth_check(struct ls_auth *auth, struct ls_request *req, const struct sockaddr *peer, struct ls_reply *reply);

#endif
