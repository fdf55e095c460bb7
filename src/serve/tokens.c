/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading, changing and searching the file of tokens. */
#include "serve/tokens.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"

#define PREFIX "lst_" /* so that people and secret scanners know one when they see it */
#define RANDOM_BYTES 32
#define TOKENS_MOST 1000

static const struct {
    enum ls_role role;
    const char *name;
} roles[] = {
    {LS_ROLE_READ, "read"}, {LS_ROLE_ADMIN, "admin"}, {LS_ROLE_WEBHOOK, "webhook"}, {LS_ROLE_METRICS, "metrics"}};

const char *ls_role_name(enum ls_role role)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (roles[i].role == role)
            return roles[i].name;
    return "?";
}

enum ls_rc ls_role_parse(const char *text, enum ls_role *out_role, struct ls_err *err)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(roles[i].name, text) == 0) {
            *out_role = roles[i].role;
            return LS_OK;
        }
    return ls_err_set(err, LS_INVALID, "'%s' is no role: want read, admin, webhook or metrics", text);
}

void ls_tokens_dispose(struct ls_tokens *tokens)
{
    free(tokens->items);
    *tokens = (struct ls_tokens){0};
}

/* ---- reading ---- */

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    size_t len = strlen(name);
    return len > 0 && len < LS_TOKEN_NAME_MAX && strspn(name, allowed) == len;
}

static bool unhex(const char *text, uint8_t *out, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(text) != 2 * len || strspn(text, digits) != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 | (strchr(digits, text[2 * i + 1]) - digits));
    return true;
}

/* "NAME ROLE SHA256 TIME"; changed in place. */
static bool parse_line(char *line, struct ls_token *out)
{
    const char *words[4];
    char *rest = line;
    for (size_t i = 0; i < 4; i++) {
        words[i] = strsep(&rest, " ");
        if (!words[i])
            return false;
    }
    if (rest || !is_name(words[0]) || ls_role_parse(words[1], &out->role, NULL) ||
        !unhex(words[2], out->hash, sizeof out->hash) || ls_time_parse_iso(words[3], &out->created_ns))
        return false;
    snprintf(out->name, sizeof out->name, "%s", words[0]);
    return true;
}

static enum ls_rc parse(const char *path, char *text, struct ls_tokens *out, struct ls_err *err)
{
    char *rest = text;
    unsigned number = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        number++;
        if (!*line || *line == '#')
            continue;
        if (out->n == TOKENS_MOST)
            return ls_err_set(err, LS_INVALID, "%s: more than %d tokens", path, TOKENS_MOST);
        if (!parse_line(line, &out->items[out->n++]))
            return ls_err_set(err, LS_INVALID, "%s:%u: want NAME ROLE SHA256 TIME, as `lockstep token add` writes it",
                              path, number);
    }
    return LS_OK;
}

static enum ls_rc check_mode(const char *path, struct ls_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        int saved = errno;
        return ls_err_errno(err, saved, "tokens: %s", path);
    }
    if (st.st_mode & S_IWOTH)
        return ls_err_set(err, LS_DENIED, "tokens: everybody may write %s, so nothing in it can be believed: chmod 600",
                          path);
    return LS_OK;
}

enum ls_rc ls_tokens_read(const char *path, struct ls_tokens *out_tokens, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf text = LS_BUF_INIT(LS_BUF_BODY);
    LS_AUTO(ls_tokens) struct ls_tokens tokens = {.items = calloc(TOKENS_MOST, sizeof *tokens.items)};
    if (!tokens.items)
        return ls_err_nomem(err);
    enum ls_rc rc = check_mode(path, err);
    if (!rc)
        rc = ls_read_file(path, &text, err);
    if (!rc)
        rc = parse(path, text.data, &tokens, err);
    if (rc)
        return rc;
    *out_tokens = tokens;
    tokens = (struct ls_tokens){0};
    return LS_OK;
}

/* ---- changing ---- */

/* Hold the file's folder, so that two changes at once do not lose one; -1 and errno. */
static int lock_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    LS_AUTO(ls_free) char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder)
        return -1;
    LS_AUTO(ls_fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) != 0)
        return -1;
    return ls_fd_steal(&fd);
}

static enum ls_rc write_tokens(const char *path, const struct ls_tokens *tokens, struct ls_err *err)
{
    LS_AUTO(ls_buf) struct ls_buf text = LS_BUF_INIT(LS_BUF_BODY);
    enum ls_rc rc = ls_buf_adds(&text, "# lockstep's tokens: name, role, SHA-256, time. See lockstep-token(1).\n");
    for (size_t i = 0; i < tokens->n && !rc; i++) {
        const struct ls_token *token = &tokens->items[i];
        char hex[LS_SHA256_HEX], iso[LS_TIME_LEN];
        ls_hex(token->hash, sizeof token->hash, hex);
        ls_time_iso(token->created_ns, iso);
        rc = ls_buf_addf(&text, "%s %s %s %s\n", token->name, ls_role_name(token->role), hex, iso);
    }
    if (rc)
        return ls_err_nomem(err);
    rc = ls_write_file(path, text.data, text.len, 0600, true, err);
    return rc ? ls_err_prefix(err, "tokens: ") : LS_OK;
}

static struct ls_token *by_name(const struct ls_tokens *tokens, const char *name)
{
    for (size_t i = 0; i < tokens->n; i++)
        if (strcmp(tokens->items[i].name, name) == 0)
            return &tokens->items[i];
    return NULL;
}

/* Lock and read; an absent file has no tokens. */
static enum ls_rc begin_change(const char *path, struct ls_tokens *out_tokens, int *out_lock, struct ls_err *err)
{
    LS_AUTO(ls_fd) int lock = lock_folder(path);
    if (lock < 0)
        return ls_err_errno(err, errno, "tokens: cannot lock the folder of %s", path);
    enum ls_rc rc = ls_tokens_read(path, out_tokens, err);
    if (rc == LS_NOT_FOUND) {
        ls_err_clear(err);
        out_tokens->items = calloc(TOKENS_MOST, sizeof *out_tokens->items);
        rc = out_tokens->items ? LS_OK : ls_err_nomem(err);
    }
    if (!rc)
        *out_lock = ls_fd_steal(&lock);
    return rc;
}

enum ls_rc ls_tokens_add(const char *path, const char *name, enum ls_role role, char out_text[LS_TOKEN_TEXT_MAX],
                         struct ls_err *err)
{
    LS_AUTO(ls_tokens) struct ls_tokens tokens = {0};
    LS_AUTO(ls_fd) int lock = -1;
    if (!is_name(name))
        return ls_err_set(err, LS_INVALID, "'%s' is no token's name: want letters, digits, '-', '.', '_', at most %d",
                          name, LS_TOKEN_NAME_MAX - 1);
    enum ls_rc rc = begin_change(path, &tokens, &lock, err);
    if (rc || !tokens.items)
        return rc;
    if (by_name(&tokens, name))
        return ls_err_set(err, LS_EXISTS, "there is a token '%s' already: take another name, or revoke it first", name);
    if (tokens.n == TOKENS_MOST)
        return ls_err_set(err, LS_NO_SPACE, "there are %d tokens already: revoke some", TOKENS_MOST);

    uint8_t secret[RANDOM_BYTES];
    char hex[2 * RANDOM_BYTES + 1];
    struct ls_token *token = &tokens.items[tokens.n++];
    *token = (struct ls_token){.role = role, .created_ns = ls_now_ns()};
    snprintf(token->name, sizeof token->name, "%s", name);
    ls_random(secret, sizeof secret);
    ls_hex(secret, sizeof secret, hex);
    snprintf(out_text, LS_TOKEN_TEXT_MAX, PREFIX "%s", hex);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(hex, sizeof hex);
    ls_sha256(out_text, strlen(out_text), token->hash);
    rc = write_tokens(path, &tokens, err);
    if (rc)
        explicit_bzero(out_text, LS_TOKEN_TEXT_MAX);
    return rc;
}

enum ls_rc ls_tokens_revoke(const char *path, const char *name, struct ls_err *err)
{
    LS_AUTO(ls_tokens) struct ls_tokens tokens = {0};
    LS_AUTO(ls_fd) int lock = -1;
    enum ls_rc rc = begin_change(path, &tokens, &lock, err);
    if (rc)
        return rc;
    struct ls_token *token = by_name(&tokens, name);
    if (!token)
        return ls_err_set(err, LS_NOT_FOUND, "there is no token '%s' in %s", name, path);
    size_t after = tokens.n - (size_t)(token - tokens.items) - 1;
    memmove(token, token + 1, after * sizeof *token);
    tokens.n--;
    return write_tokens(path, &tokens, err);
}

/* ---- searching ---- */

const struct ls_token *ls_tokens_find(const struct ls_tokens *tokens, const char *text)
{
    uint8_t hash[LS_SHA256_LEN];
    const struct ls_token *found = NULL;
    ls_sha256(text, strlen(text), hash);
    for (size_t i = 0; i < tokens->n; i++)
        if (ls_equal_const_time(tokens->items[i].hash, hash, sizeof hash))
            found = &tokens->items[i];
    return found;
}
