/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The registry of fail points, and what happens when one is hit.
 *
 * Each LS_FAILPOINT leaves a pointer in the linker section ls_failpoints. Several points may share a name; they count
 * and fire as one: the first of them in the section (the leader) keeps the count. Everything after arming is atomic.
 */
#include "base/failpoint.h"

#ifdef LS_ENABLE_FAILPOINTS

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/log.h"

/* Weak: a program without any point has no section. */
extern struct ls_failpoint *const __start_ls_failpoints[] __attribute__((weak, visibility("hidden")));
extern struct ls_failpoint *const __stop_ls_failpoints[] __attribute__((weak, visibility("hidden")));

static struct ls_failpoint *find_leader(const char *name, size_t len)
{
    for (struct ls_failpoint *const *at = __start_ls_failpoints; at < __stop_ls_failpoints; at++)
        if (strlen((*at)->name) == len && memcmp((*at)->name, name, len) == 0)
            return *at;
    return NULL;
}

static void set_action(const char *name, enum ls_failpoint_action action)
{
    for (struct ls_failpoint *const *at = __start_ls_failpoints; at < __stop_ls_failpoints; at++)
        if (strcmp((*at)->name, name) == 0)
            atomic_store(&(*at)->action, (int)action);
}

bool ls_failpoint_hit(struct ls_failpoint *point)
{
    static const char *const names[] = {"off", "kill", "stop", "error"};
    struct ls_failpoint *leader = find_leader(point->name, strlen(point->name));
    int action = atomic_load(&point->action);
    if (!leader || action == LS_FAILPOINT_OFF || atomic_fetch_sub(&leader->hits_left, 1) != 1)
        return false;
    set_action(point->name, LS_FAILPOINT_OFF);
    LS_LOG_WARN("base", "failpoint", {"name", ls_v_str(point->name)}, {"action", ls_v_str(names[action])});
    /* To this thread, which then goes no step further; a signal to the process may be taken by another one. */
    if (action == LS_FAILPOINT_KILL)
        raise(SIGKILL);
    else if (action == LS_FAILPOINT_STOP)
        raise(SIGSTOP);
    return action == LS_FAILPOINT_ERROR;
}

/* The text after '@', a positive number. */
static bool parse_hits(const char *text, int *out_hits)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < 1 || n > 1000000000)
        return false;
    *out_hits = (int)n;
    return true;
}

enum ls_rc ls_failpoint_arm(const char *spec, struct ls_err *err)
{
    static const struct {
        const char *name;
        enum ls_failpoint_action action;
    } actions[] = {{"kill", LS_FAILPOINT_KILL}, {"stop", LS_FAILPOINT_STOP}, {"error", LS_FAILPOINT_ERROR}};
    const char *equals = strchr(spec, '=');
    if (!equals || equals == spec)
        return ls_err_set(err, LS_INVALID, "fail point '%s': want NAME=kill|stop|error[@N]", spec);
    const char *action_text = equals + 1;
    size_t action_len = strcspn(action_text, "@");
    enum ls_failpoint_action action = LS_FAILPOINT_OFF;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strlen(actions[i].name) == action_len && memcmp(actions[i].name, action_text, action_len) == 0)
            action = actions[i].action;
    int hits = 1;
    if (!action || (action_text[action_len] == '@' && !parse_hits(action_text + action_len + 1, &hits)))
        return ls_err_set(err, LS_INVALID, "fail point '%s': want NAME=kill|stop|error[@N]", spec);
    struct ls_failpoint *leader = find_leader(spec, (size_t)(equals - spec));
    if (!leader)
        return ls_err_set(err, LS_NOT_FOUND, "no fail point '%.*s' (`lockstep failpoints` lists them)",
                          (int)(equals - spec), spec);
    atomic_store(&leader->hits_left, hits);
    set_action(leader->name, action);
    return LS_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void ls_failpoint_list(void (*fn)(void *ctx, const char *name), void *ctx)
{
    size_t n = (size_t)(__stop_ls_failpoints - __start_ls_failpoints);
    LS_AUTO(ls_free) const char **names = n ? calloc(n, sizeof *names) : NULL;
    if (!names)
        return;
    for (size_t i = 0; i < n; i++)
        names[i] = __start_ls_failpoints[i]->name;
    qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            fn(ctx, names[i]);
}

#else

enum ls_rc ls_failpoint_arm(const char *spec, struct ls_err *err)
{
    return ls_err_set(err, LS_UNSUPPORTED, "fail point '%s': this build has none (configure --enable-failpoints)",
                      spec);
}

void ls_failpoint_list(void (*fn)(void *ctx, const char *name), void *ctx)
{
    (void)fn;
    (void)ctx;
}

#endif
