/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Crashes: a child is killed at each fail point of each operation, others at each fail point of the recovery; then the
 * parent recovers. Rows and objects must be wholly as before or wholly as after. Each fail point must be reached.
 * The same points with an error instead of a kill must leave the old state and an error, or the new one and success.
 */
#include "engine/world.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/log.h"

#define A IMG("500ml", "a.jpg")
#define B IMG("500ml", "b.jpg")
#define NEW IMG("500ml", "new.jpg")
#define W1 "products/p1/500ml"

/* The scenarios are spread over three programs that run side by side. */
#ifndef CRASH_PART
#define CRASH_PART 1
#endif

struct scenario {
    int part;
    const char *name;
    const char *points; /* begins of the names of its fail points after "engine.", separated by spaces */
    void (*setup)(struct world *w);
    enum ls_rc (*run)(struct world *w);
};

/* ---- what can be done ---- */

static void nothing(struct world *w) { (void)w; }
static void orphan_at_new(struct world *w) { object_write(w, NEW, "orphan"); }
static void orphan_same_bytes(struct world *w) { object_write(w, NEW, "one"); }
static void empty_variant(struct world *w) { must(w, ls_engine_variant_create(w->engine, "p1", "750ml", &w->err)); }
static void orphan_in_750(struct world *w) { object_write(w, IMG("750ml", "a.jpg"), "orphan"); }
static void missing_a(struct world *w) { object_remove(w, A); }
static void stale_a(struct world *w) { object_write(w, A, "newer"); }
static void misfiled_a(struct world *w)
{
    sql(w, "UPDATE product_image SET image_type = 'info-card' WHERE file_name = '%s'", A);
}
static void weight_changed(struct world *w)
{
    object_write(w, IMG("750ml", "b.jpg"), "orphan");
    sql(w, "UPDATE product_variant SET weight = '750ml'");
}
static void variant_gone(struct world *w)
{
    must(w, ls_engine_variant_create(w->engine, "p1", "1kg", &w->err));
    must(w, ls_engine_mkdir(w->engine, "products/p1/1kg/hero-card", NULL, &w->err));
    sql(w, "DELETE FROM product_variant WHERE weight = '1kg'");
}
static void trashed(struct world *w)
{
    struct ls_mend_item item = {.key = NEW, .object_etag = md5_of("orphan"), .reason = "orphaned"};
    orphan_at_new(w);
    must(w, mend_one(w, LS_MEND_TRASH, &item));
}

static enum ls_rc put_new(struct world *w) { return put_text(w, NEW, "bytes"); }
static enum ls_rc put_same(struct world *w) { return put_text(w, A, "bytes"); }
static enum ls_rc put_equal(struct world *w) { return put_text(w, A, "one"); }
static enum ls_rc replace(struct world *w)
{
    return put_with(w, (struct ls_engine_put){.key = NEW, .make_parents = true, .replaces = A}, "bytes");
}
static enum ls_rc replace_over(struct world *w)
{
    return put_with(w, (struct ls_engine_put){.key = B, .make_parents = true, .replaces = A}, "bytes");
}
static enum ls_rc remove_one(struct world *w) { return remove_keys(w, A, NULL); }
static enum ls_rc remove_two(struct world *w) { return remove_keys(w, A, B); }
static enum ls_rc move(struct world *w, const char *from, const char *to)
{
    return ls_engine_rename(w->engine, from, to, 0, &w->err);
}
static enum ls_rc rename_new(struct world *w) { return move(w, A, NEW); }
static enum ls_rc rename_over(struct world *w) { return move(w, A, B); }
static enum ls_rc rename_weight(struct world *w) { return move(w, W1, "products/p1/750ml"); }
static enum ls_rc rename_product(struct world *w) { return move(w, "products/p1", "products/p9"); }
static enum ls_rc rename_type(struct world *w) { return move(w, W1 "/hero-card", W1 "/other-images"); }
static enum ls_rc delete_variant(struct world *w)
{
    return ls_engine_variant_delete(w->engine, "p1", "500ml", &w->err);
}
static enum ls_rc create_variant(struct world *w) { return ls_engine_variant_create(w->engine, "p2", "1kg", &w->err); }
static enum ls_rc disable(struct world *w)
{
    return ls_engine_variant_set_active(w->engine, "p1", "500ml", false, &w->err);
}
static enum ls_rc mend(struct world *w, enum ls_mend mend, const char *key, const char *row, const char *object)
{
    struct ls_mend_item item = {.key = key, .row_etag = row, .object_etag = object, .reason = "orphaned"};
    return mend_one(w, mend, &item);
}
static enum ls_rc adopt(struct world *w) { return mend(w, LS_MEND_ADOPT, NEW, NULL, md5_of("orphan")); }
static enum ls_rc discard(struct world *w) { return mend(w, LS_MEND_TRASH, NEW, NULL, md5_of("orphan")); }
static enum ls_rc drop(struct world *w) { return mend(w, LS_MEND_DROP, A, md5_of("one"), NULL); }
static enum ls_rc refresh(struct world *w) { return mend(w, LS_MEND_REFRESH, A, md5_of("one"), md5_of("newer")); }
static enum ls_rc refile(struct world *w) { return mend(w, LS_MEND_REFILE, A, md5_of("one"), md5_of("one")); }
static enum ls_rc follow_weight(struct world *w)
{
    struct ls_engine_move moves[] = {
        {.from = A, .row = A, .to = IMG("750ml", "a.jpg")},
        {.from = B, .row = B, .to = IMG("750ml", "b.jpg")},
        {.from = W1 "/info-card/c.jpg", .row = W1 "/info-card/c.jpg", .to = "products/p1/750ml/info-card/c.jpg"},
    };
    enum ls_rc rc = ls_engine_follow(w->engine, moves, 3, W1, "products/p1/750ml", &w->err);
    for (size_t i = 0; rc == LS_OK && i < 3; i++)
        rc = moves[i].rc;
    return rc;
}
static enum ls_rc forget(struct world *w) { return ls_engine_forget_folder(w->engine, "products/p1/1kg", &w->err); }
static enum ls_rc restore(struct world *w)
{
    return ls_engine_trash_restore(w->engine, sql_text(w, "SELECT id FROM lockstep_trash"), &w->err);
}
static enum ls_rc purge(struct world *w)
{
    uint64_t removed;
    return ls_engine_trash_purge(w->engine, INT64_MAX, "", &removed, &w->err);
}

static const struct scenario scenarios[] = {
    {1, "put_new", "put.", nothing, put_new},
    {1, "put_same", "put.", nothing, put_same},
    {1, "put_equal", "put.", nothing, put_equal},
    {1, "put_over_orphan", "put.", orphan_at_new, put_new},
    {1, "replace", "put.", nothing, replace},
    {1, "replace_over", "put.", nothing, replace_over},
    {1, "remove_one", "remove.", nothing, remove_one},
    {1, "remove_two", "remove.", nothing, remove_two},
    {1, "delete_variant", "remove.", nothing, delete_variant},
    {2, "rename_new", "rename.", nothing, rename_new},
    {2, "rename_over", "rename.", nothing, rename_over},
    {2, "rename_over_orphan", "rename.", orphan_at_new, rename_new},
    {2, "rename_over_same_bytes", "rename.", orphan_same_bytes, rename_new},
    {2, "rename_weight", "rename_folder.", nothing, rename_weight},
    {2, "rename_weight_onto_empty", "rename_folder.", empty_variant, rename_weight},
    {2, "rename_weight_over_orphan", "rename_folder.", orphan_in_750, rename_weight},
    {2, "rename_product", "rename_folder.", nothing, rename_product},
    {2, "rename_type", "rename_folder.", nothing, rename_type},
    {2, "follow_weight", "follow.", weight_changed, follow_weight},
    {2, "forget", "follow.", variant_gone, forget},
    {3, "adopt", "mend.", orphan_at_new, adopt},
    {3, "drop", "mend.", missing_a, drop},
    {3, "refresh", "mend.", stale_a, refresh},
    {3, "refile", "mend.", misfiled_a, refile},
    {3, "discard", "discard.", orphan_at_new, discard},
    {3, "restore", "restore.", trashed, restore},
    {3, "purge", "purge.", trashed, purge},
    {3, "create_variant", "variant_create.", nothing, create_variant},
    {3, "disable", "variant_active.", nothing, disable},
};
#define N_SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

/* ---- fail points ---- */

static struct {
    char names[128][64];
    bool reached[128];
    size_t n;
} points;

static void add_point(void *ctx, const char *name)
{
    (void)ctx;
    if (strncmp(name, "engine.", 7) == 0 && points.n < 128)
        snprintf(points.names[points.n++], sizeof(points.names[0]), "%s", name);
}

static bool is_recovery(const char *point) { return strncmp(point, "engine.recover.", 15) == 0; }

/* Is the point one of the scenario's, or (recovery) one that settling it may pass? */
static bool concerns(const struct scenario *s, const char *point, bool recovery)
{
    const char *rest = point + (recovery ? 15 : 7);
    if (is_recovery(point) != recovery)
        return false;
    return (recovery && !strchr(rest, '.')) || strncmp(rest, s->points, strlen(s->points)) == 0;
}

static void arm(const char *point, const char *action)
{
    char spec[96];
    struct ls_err err;
    snprintf(spec, sizeof(spec), "%s=%s", point, action);
    if (ls_failpoint_arm(spec, &err) != LS_OK)
        fail_msg("%s: %s", spec, err.text);
}

/* ---- worlds and children ---- */

static void prepare(struct world *w, const struct scenario *s)
{
    world_make(w);
    world_open(w);
    must(w, put_text(w, A, "one"));
    must(w, put_text(w, B, "two"));
    must(w, put_text(w, "products/p1/500ml/info-card/c.jpg", "three"));
    s->setup(w);
}

/* In a child of its own: open (which recovers) and, with a scenario, run it. The index of the point that killed it, or
 * -1; `armed` says at which it may be. */
static long killed_at(struct world *w, const bool *armed, const struct scenario *s)
{
    char log[128], line[512];
    int status;
    long at = -1;
    snprintf(log, sizeof(log), "%s/child.log", w->dir);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(250);
        if (!freopen(log, "w", stderr))
            _exit(2);
        if (s)
            world_open(w);
        for (size_t i = 0; i < points.n; i++)
            if (armed[i])
                arm(points.names[i], "kill");
        if (s)
            (void)s->run(w);
        else
            world_open(w);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return -1;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("a child ended with status %x", (unsigned)status);
    FILE *file = fopen(log, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        char *name = strstr(line, "event=failpoint name=");
        for (size_t i = 0; name && i < points.n; i++) {
            size_t len = strlen(points.names[i]);
            if (strncmp(name + 21, points.names[i], len) == 0 && strchr(" \n", name[21 + len]))
                at = (long)i;
        }
    }
    fclose(file);
    assert_true(at >= 0);
    points.reached[at] = true;
    return at;
}

struct judgement {
    char *before, *after;
    int orphans_before, orphans_after;
};

/* What must have come of it: nothing, or all. */
static void judge(struct world *w, const struct judgement *j, const char *what, bool only_after, bool only_before)
{
    char *now = world_dump(w);
    bool before = strcmp(now, j->before) == 0, after = strcmp(now, j->after) == 0;
    if (!(before && !only_after) && !(after && !only_before))
        fail_msg("%s: neither before nor after, but\n%s", what, now);
    free(now);
    if (sql_int(w, "SELECT count(*) FROM lockstep_intent") != 0)
        fail_msg("%s: an intent is open", what);
    const char *wrong = world_wrong(w, before && !after ? j->orphans_before : j->orphans_after);
    if (wrong && after)
        fail_msg("%s: %s", what, wrong);
}

static int count_orphans(struct world *w)
{
    for (int n = 0; n < 4; n++)
        if (!world_wrong(w, n))
            return n;
    return -1; /* the setup broke something on purpose */
}

static void learn(const struct scenario *s, struct judgement *out)
{
    struct world w;
    prepare(&w, s);
    out->before = world_dump(&w);
    out->orphans_before = count_orphans(&w);
    if (s->run(&w) != LS_OK)
        fail_msg("%s: %s", s->name, w.err.text);
    out->after = world_dump(&w);
    out->orphans_after = count_orphans(&w);
    assert_true(out->orphans_after >= 0);
    if (s->run != put_equal)
        assert_string_not_equal(out->before, out->after);
    world_close(&w);
    world_remove(&w);
}

/* Let one recovery after the other die, each at the next point that none has died at, until one comes to its end. */
static void kill_recoveries(struct world *w, const struct scenario *s)
{
    bool armed[128];
    long at;
    for (size_t i = 0; i < points.n; i++)
        armed[i] = concerns(s, points.names[i], true);
    while ((at = killed_at(w, armed, NULL)) >= 0)
        armed[at] = false;
}

/* Kill the operation at a point, and perhaps the recoveries. False when the point is not reached. */
static bool crash(const struct scenario *s, const struct judgement *j, size_t first, bool chain)
{
    struct world w;
    char what[200];
    bool armed[128] = {false};
    snprintf(what, sizeof(what), "%s killed at %s%s", s->name, points.names[first], chain ? ", recoveries too" : "");
    prepare(&w, s);
    world_close(&w);
    armed[first] = true;
    bool reached = killed_at(&w, armed, s) >= 0;
    if (reached) {
        if (chain)
            kill_recoveries(&w, s);
        world_open(&w);
        judge(&w, j, what, false, false);
        world_close(&w);
    }
    world_remove(&w);
    return reached;
}

/* Killed recoveries take long on a server: there it is enough that each of their points is reached by some scenario. */
static bool wants_chain(const struct scenario *s)
{
    bool missing = !world_is_pg;
    for (size_t i = 0; i < points.n; i++)
        missing = missing || (!points.reached[i] && concerns(s, points.names[i], true));
    return missing;
}

static void crash_everywhere(const struct scenario *s)
{
    struct judgement j;
    learn(s, &j);
    for (size_t i = 0; i < points.n; i++)
        if (concerns(s, points.names[i], false) && crash(s, &j, i, false) && wants_chain(s))
            (void)crash(s, &j, i, true);
    free(j.before);
    free(j.after);
}

/* Must this program have died there? And is there one at all that must? */
static bool is_ours(const char *point, bool *out_known)
{
    bool mine = false;
    *out_known = false;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        bool concerned = concerns(&scenarios[i], point, is_recovery(point));
        *out_known = *out_known || concerned;
        mine = mine || (concerned && scenarios[i].part == CRASH_PART);
    }
    return mine;
}

static void a_kill_anywhere_leaves_old_or_new(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++)
        if (scenarios[i].part == CRASH_PART)
            crash_everywhere(&scenarios[i]);
    for (size_t i = 0; i < points.n; i++) {
        bool known;
        if (is_ours(points.names[i], &known) && !points.reached[i])
            fail_msg("no scenario reaches %s", points.names[i]);
        if (!known)
            fail_msg("no scenario knows %s", points.names[i]);
    }
}

static void fail_at(const struct scenario *s, const struct judgement *j, const char *point)
{
    struct world w;
    struct ls_recover_stats stats;
    char what[200];
    snprintf(what, sizeof(what), "%s with an error at %s", s->name, point);
    prepare(&w, s);
    arm(point, "error");
    enum ls_rc rc = s->run(&w);
    /* Past the commit point an error is only a delay; after that of a put over its own name it has to go forward. */
    must(&w, ls_engine_recover(w.engine, &stats, &w.err));
    judge(&w, j, what, rc == LS_OK, rc != LS_OK && rc != LS_OUTCOME_UNKNOWN);
    arm(point, "error@1000000000"); /* as good as disarmed, should it not have fired */
    world_close(&w);
    world_remove(&w);
}

static void an_error_anywhere_changes_nothing_or_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        struct judgement j;
        if (scenarios[i].part != CRASH_PART)
            continue;
        learn(&scenarios[i], &j);
        for (size_t p = 0; p < points.n; p++)
            if (concerns(&scenarios[i], points.names[p], false))
                fail_at(&scenarios[i], &j, points.names[p]);
        free(j.before);
        free(j.after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_anywhere_leaves_old_or_new),
        cmocka_unit_test(an_error_anywhere_changes_nothing_or_all),
    };
    ls_log_quiet(true);
    ls_failpoint_list(add_point, NULL);
#ifndef LS_ENABLE_FAILPOINTS
    fputs("built without fail points (--enable-failpoints): nothing to test\n", stderr);
    return 77;
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
