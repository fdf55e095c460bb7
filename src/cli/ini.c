/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lines of a config or credentials file, cut in place. */
#include "cli/ini.h"

#include <string.h>

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static char *skip_blanks(char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

static void cut_trailing_blanks(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && is_blank(text[len - 1]))
        text[--len] = '\0';
}

/* Cut the comment off a value, or take its quotes away; NULL when a quote does not end or text follows it. */
static char *take_value(char *value)
{
    value = skip_blanks(value);
    if (*value == '"') {
        char *end = strchr(value + 1, '"');
        if (!end)
            return NULL;
        char *rest = skip_blanks(end + 1);
        if (*rest && *rest != '#' && *rest != ';')
            return NULL;
        *end = '\0';
        return value + 1;
    }
    for (char *at = value; *at; at++)
        if ((*at == '#' || *at == ';') && (at == value || is_blank(at[-1]))) {
            *at = '\0';
            break;
        }
    cut_trailing_blanks(value);
    return value;
}

/* "[name]": cut it out and move *at behind it; NULL when it does not end or is empty. */
static char *take_section(char **at)
{
    char *name = skip_blanks(*at + 1);
    char *end = strchr(name, ']');
    if (!end)
        return NULL;
    *end = '\0';
    cut_trailing_blanks(name);
    *at = skip_blanks(end + 1);
    return *name ? name : NULL;
}

static enum ls_rc parse_line(char *text, struct ls_ini_line *line, ls_ini_each each, void *ctx, struct ls_err *err)
{
    char *at = skip_blanks(text);
    if (*at == '[') {
        line->section = take_section(&at);
        if (!line->section)
            return ls_err_set(err, LS_INVALID, "%s:%u: a section wants a name and a ']'", line->file, line->line);
        line->key = line->value = NULL;
        enum ls_rc rc = each(ctx, line, err);
        if (rc)
            return rc;
    }
    if (!*at || *at == '#' || *at == ';')
        return LS_OK;
    char *equals = strchr(at, '=');
    if (!equals || equals == at)
        return ls_err_set(err, LS_INVALID, "%s:%u: '%s' is neither '[section]' nor 'key = value'", line->file,
                          line->line, at);
    *equals = '\0';
    cut_trailing_blanks(at);
    line->key = at;
    line->value = take_value(equals + 1);
    if (!line->value)
        return ls_err_set(err, LS_INVALID, "%s:%u: the quoted value of '%s' does not end, or text follows it",
                          line->file, line->line, at);
    return each(ctx, line, err);
}

enum ls_rc ls_ini_parse(const char *file, char *text, ls_ini_each each, void *ctx, struct ls_err *err)
{
    struct ls_ini_line line = {.file = file, .section = ""};
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0) /* an editor's byte order mark */
        text += 3;
    while (*text) {
        char *end = strchr(text, '\n');
        char *next = end ? end + 1 : text + strlen(text);
        if (end)
            *end = '\0';
        line.line++;
        enum ls_rc rc = parse_line(text, &line, each, ctx, err);
        if (rc)
            return rc;
        text = next;
    }
    return LS_OK;
}
