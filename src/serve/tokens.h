/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file of tokens: who may call the HTTP API, and as what.
 *
 * A token is 256 random bits that are shown once; the file keeps its SHA-256. That needs no slow hash, because nobody
 * can guess 256 bits. One line a token: name, role, hash, time. A list is read-only once read; changes of the file are
 * atomic and wait for each other.
 */
#ifndef LOCKSTEP_SERVE_TOKENS_H
#define LOCKSTEP_SERVE_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/hash.h"
#include "lockstep/err.h"

/* What a token may do; a route names those that it takes. */
enum ls_role { LS_ROLE_READ = 1, LS_ROLE_ADMIN = 2, LS_ROLE_WEBHOOK = 4, LS_ROLE_METRICS = 8 };

#define LS_TOKEN_NAME_MAX 64 /* with the NUL */
#define LS_TOKEN_TEXT_MAX 80 /* of a token itself, with the NUL */

struct ls_token {
    char name[LS_TOKEN_NAME_MAX];
    enum ls_role role;
    uint8_t hash[LS_SHA256_LEN];
    int64_t created_ns;
};

struct ls_tokens {
    struct ls_token *items; /* in the order of the file */
    size_t n;
};

void ls_tokens_dispose(struct ls_tokens *tokens);
static inline void ls_tokens_auto(struct ls_tokens *tokens) { ls_tokens_dispose(tokens); }

const char *ls_role_name(enum ls_role role);
/* LS_INVALID names the roles. */
enum ls_rc ls_role_parse(const char *text, enum ls_role *out_role, struct ls_err *err) LS_MUST_CHECK;

/* LS_NOT_FOUND: there is no such file. LS_INVALID with file and line; LS_DENIED: others may write it. */
enum ls_rc ls_tokens_read(const char *path, struct ls_tokens *out_tokens, struct ls_err *err) LS_MUST_CHECK;

/* Make a token and record it; the file is made (mode 0600) when there is none. LS_EXISTS: the name is taken. out_text
 * is a secret: whoever gets it wipes it. */
enum ls_rc ls_tokens_add(const char *path, const char *name, enum ls_role role, char out_text[LS_TOKEN_TEXT_MAX],
                         struct ls_err *err) LS_MUST_CHECK;
/* LS_NOT_FOUND: no such name. */
enum ls_rc ls_tokens_revoke(const char *path, const char *name, struct ls_err *err) LS_MUST_CHECK;

/* The token that a text is, or NULL; the time taken does not tell how much of it was right. */
const struct ls_token *ls_tokens_find(const struct ls_tokens *tokens, const char *text);

#endif
