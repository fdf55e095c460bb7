/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bearer tokens and the limit on wrong ones. */
#include "serve/auth.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/problem.h"
#include "serve/router.h"

#define WINDOW_MS 60000
#define WRONG_MOST 10 /* a window */
#define PEERS 1024    /* slots; callers that share one share its count */

struct peer {
    int64_t since_ms;
    unsigned wrong;
};

struct ls_auth {
    char *path;
    pthread_mutex_t lock;    /* all below */
    struct ls_tokens tokens; /* of the file as it was at `seen` */
    struct stat seen;        /* st_ino 0: there was none */
    struct peer peers[PEERS];
};

static void look(const char *path, struct stat *out)
{
    if (stat(path, out) != 0)
        *out = (struct stat){0};
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_mode == b->st_mode;
}

enum ls_rc ls_auth_open(const char *tokens_path, struct ls_auth **out_auth, struct ls_err *err)
{
    struct ls_auth *auth = calloc(1, sizeof *auth);
    if (!auth || !(auth->path = strdup(tokens_path))) {
        free(auth);
        return ls_err_nomem(err);
    }
    pthread_mutex_init(&auth->lock, NULL);
    look(auth->path, &auth->seen);
    enum ls_rc rc = ls_tokens_read(auth->path, &auth->tokens, err);
    if (rc && rc != LS_NOT_FOUND) {
        ls_auth_close(auth);
        return rc;
    }
    *out_auth = auth;
    return LS_OK;
}

void ls_auth_close(struct ls_auth *auth)
{
    if (!auth)
        return;
    ls_tokens_dispose(&auth->tokens);
    pthread_mutex_destroy(&auth->lock);
    free(auth->path);
    free(auth);
}

size_t ls_auth_count(struct ls_auth *auth)
{
    LS_LOCK(&auth->lock);
    return auth->tokens.n;
}

bool ls_auth_has_role(struct ls_auth *auth, enum ls_role role)
{
    LS_LOCK(&auth->lock);
    for (size_t i = 0; i < auth->tokens.n; i++)
        if (auth->tokens.items[i].role == role)
            return true;
    return false;
}

void ls_auth_reload(struct ls_auth *auth, bool force)
{
    struct stat now;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_tokens) struct ls_tokens tokens = {0};
    LS_LOCK(&auth->lock);
    look(auth->path, &now);
    if (!force && same_file(&now, &auth->seen))
        return;
    auth->seen = now;
    enum ls_rc rc = ls_tokens_read(auth->path, &tokens, &err);
    if (rc && rc != LS_NOT_FOUND) {
        LS_LOG_WARN("serve", "tokens-not-read", {"error", ls_v_str(err.text)},
                    {"advice", ls_v_str("the tokens known before go on being valid")});
        return;
    }
    LS_LOG_INFO("serve", "tokens-read", {"file", ls_v_str(auth->path)}, {"tokens", ls_v_uint(tokens.n)});
    struct ls_tokens old = auth->tokens;
    auth->tokens = tokens;
    tokens = old;
}

/* ---- the limit ---- */

/* An IPv6 caller owns its whole /64. */
static size_t slot_of(const struct sockaddr *peer)
{
    uint64_t n = 0;
    if (peer && peer->sa_family == AF_INET) {
        n = ((const struct sockaddr_in *)(const void *)peer)->sin_addr.s_addr;
    } else if (peer && peer->sa_family == AF_INET6) {
        memcpy(&n, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, sizeof n);
    }
    return (n * UINT64_C(0x9E3779B97F4A7C15) >> 32) % PEERS;
}

/* Count a wrong token; true when there were too many. */
static bool count_wrong(struct ls_auth *auth, const struct sockaddr *peer)
{
    int64_t now_ms = ls_monotonic_ms();
    struct peer *slot = &auth->peers[slot_of(peer)];
    if (now_ms - slot->since_ms > WINDOW_MS || slot->wrong == 0)
        *slot = (struct peer){.since_ms = now_ms};
    if (slot->wrong <= WRONG_MOST)
        slot->wrong++;
    return slot->wrong > WRONG_MOST;
}

static void refuse(struct ls_auth *auth, const struct ls_request *req, const struct sockaddr *peer, bool with_token,
                   struct ls_reply *reply)
{
    pthread_mutex_lock(&auth->lock);
    bool too_many = with_token && count_wrong(auth, peer);
    size_t n = auth->tokens.n;
    pthread_mutex_unlock(&auth->lock);
    if (too_many) {
        ls_problem(reply, 429, "too-many-wrong-tokens", "too many wrong tokens: try again in a minute");
        ls_reply_header(reply, "Retry-After", "%d", WINDOW_MS / 1000);
        return;
    }
    if (with_token)
        LS_LOG_WARN("serve", "wrong-token", {"path", ls_v_str(req->route->path)});
    if (with_token || n)
        ls_problem(reply, 401, "token", "%s: send Authorization: Bearer TOKEN",
                   with_token ? "this token is not valid" : "this needs a token");
    else
        ls_problem(reply, 401, "token", "there are no tokens yet: make one with `lockstep token add`");
    ls_reply_header(reply, "WWW-Authenticate", "Bearer realm=\"lockstep\"%s",
                    with_token ? ", error=\"invalid_token\"" : "");
}

static const char *bearer_of(const struct ls_request *req)
{
    const char *header = req->headers[LS_HEADER_AUTHORIZATION];
    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return NULL;
    return header + 7 + strspn(header + 7, " ");
}

static bool find(struct ls_auth *auth, const char *text, struct ls_request *req)
{
    LS_LOCK(&auth->lock);
    const struct ls_token *token = ls_tokens_find(&auth->tokens, text);
    if (!token)
        return false;
    snprintf(req->who, sizeof req->who, "%s", token->name);
    req->role = token->role;
    return true;
}

bool ls_auth_check(struct ls_auth *auth, struct ls_request *req, const struct sockaddr *peer, struct ls_reply *reply)
{
    const char *text = bearer_of(req);
    if (!req->route->roles)
        return true;
    if (text && !find(auth, text, req)) {
        ls_auth_reload(auth, false); /* it may have been made just now */
        (void)find(auth, text, req);
    }
    if (!req->role) {
        refuse(auth, req, peer, text != NULL, reply);
        return false;
    }
    if (req->role & req->route->roles)
        return true;
    ls_problem(reply, 403, "role", "the token '%s' has the role %s, which may not do this", req->who,
               ls_role_name(req->role));
    return false;
}
