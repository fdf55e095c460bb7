/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each option mends its kind and no other; what changed meanwhile is left alone; guards stop a run before it begins. */
#include "scan/world.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define A "products/p1/500ml/hero-card/a.jpg"
#define B "products/p1/500ml/hero-card/b.jpg"
#define C "products/p2/1kg/info-card/c.jpg"
#define MOVED "products/p3/1kg/info-card/moved.jpg"
#define NOWHERE "products/p1/loose.jpg"

/* One difference of each kind among 20 images. */
static void drift(struct world *w)
{
    char key[128];
    for (int i = 0; i < 15; i++) {
        snprintf(key, sizeof key, "products/p1/1kg/other-images/%02d.jpg", i);
        world_image(w, key, key);
    }
    world_image(w, A, "a");
    world_image(w, B, "b");
    world_image(w, C, "c");
    world_image(w, "products/p2/1kg/info-card/m.jpg", "moved");
    world_image(w, "products/p2/1kg/info-card/misfiled.jpg", "misfiled");
    world_delete(w, A);
    world_put(w, B, "other bytes");
    world_move(w, "products/p2/1kg/info-card/m.jpg", MOVED);
    world_sql(w, "UPDATE product_image SET variant_weight='7' WHERE file_name LIKE '%%misfiled.jpg'");
    world_put(w, "products/p4/1kg/hero-card/orphan.jpg", "orphan");
    world_put(w, NOWHERE, "loose");
    world_scan(w);
}

#define ORPHAN "products/p4/1kg/hero-card/orphan.jpg"

static struct ls_sync_opts all_options(void)
{
    struct ls_sync_opts o = world_sync_opts();
    o.orphans = LS_ORPHANS_ADOPT;
    o.drop_missing = o.refresh_stale = o.relink_moved = o.refile_misfiled = o.remove_misplaced = true;
    return o;
}

static void keeping_everything_changes_nothing(void **state)
{
    struct world *w = *state;
    drift(w);
    struct ls_sync_opts opts = world_sync_opts();
    struct ls_sync_totals t = world_sync(w, &opts, LS_OK);
    assert_int_equal(t.remaining, 7);
    assert_true(world_has_row(w, A) && world_has_object(w, NOWHERE) && !world_has_row(w, ORPHAN));
}

static void all_options_mend_all_and_a_second_run_finds_nothing(void **state)
{
    struct world *w = *state;
    drift(w);
    struct ls_sync_opts opts = all_options();
    struct ls_sync_plan plan;
    ls_sync_plan(w->scan, &opts, &plan);
    struct ls_sync_totals t = world_sync(w, &opts, LS_OK);
    assert_memory_equal(&t.done, &plan, sizeof plan);
    assert_int_equal(
        t.done.relink + t.done.adopt + t.done.drop + t.done.refresh + t.done.refile + t.done.remove_misplaced, 6);
    assert_int_equal(t.remaining + t.skipped + t.failed, 0);
    assert_true(world_has_row(w, MOVED) && world_has_row(w, ORPHAN) && !world_has_row(w, A));
    assert_false(world_has_object(w, NOWHERE));
    world_scan(w);
    world_in_step(w, 20);
    t = world_sync(w, &opts, LS_OK);
    assert_int_equal(t.remaining + t.done.adopt, 0);
}

static void removed_orphans_lie_in_trash(void **state)
{
    struct world *w = *state;
    struct ls_trash_page page = {0};
    drift(w);
    struct ls_sync_opts opts = world_sync_opts();
    opts.orphans = LS_ORPHANS_REMOVE;
    struct ls_sync_totals t = world_sync(w, &opts, LS_OK);
    assert_int_equal(t.done.remove_orphaned, 1);
    assert_false(world_has_object(w, ORPHAN));
    assert_true(world_has_object(w, NOWHERE)); /* misplaced has a switch of its own */
    assert_int_equal(w->cat->ops->trash_page(w->cat, NULL, "", "", 10, &page, NULL), LS_OK);
    assert_int_equal(page.n, 1);
    assert_string_equal(page.items[0].key, ORPHAN);
    assert_string_equal(page.items[0].reason, "orphaned");
    assert_int_equal(ls_engine_trash_restore(w->engine, page.items[0].id, NULL), LS_OK);
    ls_trash_page_dispose(&page);
    assert_true(world_has_object(w, ORPHAN));
}

static void halves_of_a_moved_pair_are_kept_unless_they_are_relinked(void **state)
{
    struct world *w = *state;
    drift(w);
    struct ls_sync_opts opts = all_options();
    opts.orphans = LS_ORPHANS_REMOVE;
    opts.relink_moved = false;
    struct ls_sync_totals t = world_sync(w, &opts, LS_OK);
    assert_int_equal(t.remaining, 2);
    assert_true(world_has_object(w, MOVED) && world_has_row(w, "products/p2/1kg/info-card/m.jpg"));
}

static void a_stale_row_that_is_misfiled_as_well_is_mended_in_one_run(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_put(w, A, "other");
    world_sql(w, "UPDATE product_image SET variant_weight='7'");
    world_scan(w);
    struct ls_sync_opts opts = world_sync_opts();
    opts.refresh_stale = opts.refile_misfiled = true;
    struct ls_sync_totals t = world_sync(w, &opts, LS_OK);
    assert_int_equal(t.done.refresh + t.done.refile, 2);
    assert_int_equal(t.remaining, 0);
    world_scan(w);
    world_in_step(w, 1);
}

static void a_refresh_also_fills_in_what_was_never_recorded(void **state)
{
    struct world *w = *state;
    world_image(w, A, "a");
    world_image(w, B, "b");
    world_sql(w, "DELETE FROM lockstep_object");
    world_sql(w, "UPDATE product_image SET variant_weight='7' WHERE file_name='" B "'");
    world_scan(w);
    struct ls_sync_opts opts = world_sync_opts();
    opts.refresh_stale = opts.refile_misfiled = true;
    opts.max_change_count = 0; /* no loss, so no guard */
    struct ls_sync_totals t = world_sync(w, &opts, LS_OK);
    assert_int_equal(t.done.refresh, 2);
    assert_int_equal(t.done.refile, 1);
    assert_int_equal(t.remaining, 0);
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM lockstep_object"), 2);
    world_scan(w);
    world_in_step(w, 2);
}

static void what_changed_since_the_scan_is_skipped(void **state)
{
    struct world *w = *state;
    for (int dry = 1; dry >= 0; dry--) {
        world_image(w, A, "a");
        world_delete(w, A);
        world_put(w, ORPHAN, "orphan");
        world_scan(w);
        world_put(w, A, "back");
        world_put(w, ORPHAN, "changed");
        struct ls_sync_opts opts = world_sync_opts();
        opts.orphans = LS_ORPHANS_REMOVE;
        opts.drop_missing = true;
        opts.dry_run = dry;
        struct ls_sync_totals t = world_sync(w, &opts, LS_OK);
        assert_int_equal(t.skipped, 2);
        assert_int_equal(t.done.drop + t.done.remove_orphaned + t.failed, 0);
        assert_int_equal(t.remaining, 2);
        assert_true(world_has_object(w, ORPHAN) && world_has_row(w, A));
        world_sql(w, "DELETE FROM product_image");
        world_delete(w, A);
        world_delete(w, ORPHAN);
    }
}

struct told {
    char text[4096];
};
static void tell(void *ctx, const char *what, const struct ls_finding *f, enum ls_rc rc, const char *text)
{
    struct told *told = ctx;
    size_t len = strlen(told->text);
    (void)text;
    snprintf(told->text + len, sizeof told->text - len, "%s %s %s\n", what, f->key, ls_rc_name(rc));
}

static void a_dry_run_tells_the_same_and_changes_nothing(void **state)
{
    struct world *w = *state;
    struct told dry = {""}, real = {""};
    struct ls_sync_totals t;
    drift(w);
    struct ls_sync_opts opts = all_options();
    opts.backup_path = "/nonexistent/not-written-in-a-dry-run";
    opts.dry_run = true;
    assert_int_equal(ls_sync_run(w->engine, w->scan, &opts, tell, &dry, &t, &world_err), LS_OK);
    assert_int_equal(t.done.adopt + t.done.drop + t.done.relink, 3);
    assert_int_equal(t.remaining, 7);
    assert_true(world_has_row(w, A) && world_has_object(w, NOWHERE));
    opts.dry_run = false;
    opts.backup_path = NULL;
    assert_int_equal(ls_sync_run(w->engine, w->scan, &opts, tell, &real, &t, &world_err), LS_OK);
    assert_int_equal(t.remaining, 0);
    assert_string_equal(dry.text, real.text);
    assert_true(strncmp(real.text, "relink ", 7) == 0);
}

/* ---- guards ---- */

static void images(struct world *w, int n)
{
    char key[128];
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "products/p1/1kg/other-images/%03d.jpg", i);
        world_image(w, key, key);
    }
}

static void remove_objects(struct world *w, int n)
{
    char key[128];
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "products/p1/1kg/other-images/%03d.jpg", i);
        world_delete(w, key);
    }
}

static void more_than_allowed_stops_it_before_anything_changes(void **state)
{
    struct world *w = *state;
    images(w, 60);
    remove_objects(w, 13);
    world_scan(w);
    struct ls_sync_opts opts = {.drop_missing = true, .max_change_percent = 20};
    world_sync(w, &opts, LS_GUARD);
    assert_non_null(strstr(world_err.text, "--max-change"));
    assert_non_null(strstr(world_err.text, "13"));
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM product_image"), 60);
    opts.max_change_percent = 22;
    assert_int_equal(world_sync(w, &opts, LS_OK).done.drop, 13);
}

static void ten_are_always_allowed_by_percent_but_a_count_is_a_count(void **state)
{
    struct world *w = *state;
    images(w, 12);
    remove_objects(w, 10);
    world_scan(w);
    struct ls_sync_opts opts = {.drop_missing = true, .max_change_count = 9};
    world_sync(w, &opts, LS_GUARD);
    opts.max_change_percent = 20;
    opts.dry_run = true;
    assert_int_equal(world_sync(w, &opts, LS_OK).done.drop, 10);
    opts.max_change_percent = 0;
    opts.max_change_count = 10;
    world_sync(w, &opts, LS_OK);
}

static void moved_ones_do_not_count(void **state)
{
    struct world *w = *state;
    char from[128], to[128];
    images(w, 15);
    for (int i = 0; i < 15; i++) {
        snprintf(from, sizeof from, "products/p1/1kg/other-images/%03d.jpg", i);
        snprintf(to, sizeof to, "products/p1/2kg/other-images/%03d.jpg", i);
        world_move(w, from, to);
    }
    assert_int_equal(world_scan(w)->moved, 15);
    struct ls_sync_opts opts = {.drop_missing = true, .relink_moved = true, .orphans = LS_ORPHANS_REMOVE};
    assert_int_equal(world_sync(w, &opts, LS_OK).done.relink, 15);
    world_scan(w);
    world_in_step(w, 15);
}

static void an_empty_bucket_loses_no_row(void **state)
{
    struct world *w = *state;
    images(w, 3);
    remove_objects(w, 3);
    world_scan(w);
    struct ls_sync_opts opts = {.drop_missing = true, .max_change_percent = 20};
    world_sync(w, &opts, LS_GUARD);
    assert_non_null(strstr(world_err.text, "empty"));
    assert_non_null(strstr(world_err.text, "--allow-empty"));
    assert_int_equal(world_sql_int(w, "SELECT count(*) FROM product_image"), 3);
    opts.override_empty = true;
    assert_int_equal(world_sync(w, &opts, LS_OK).done.drop, 3);
}

static void a_bucket_without_its_mark_or_with_another_loses_nothing(void **state)
{
    struct world *w = *state;
    assert_int_equal(ls_scan_bucket_mark(w->engine, &world_err), LS_OK);
    assert_int_equal(ls_scan_bucket_mark(w->engine, &world_err), LS_OK);
    assert_true(world_has_object(w, ".lockstep/bucket-id"));
    images(w, 3);
    remove_objects(w, 1);
    struct ls_sync_opts opts = {.drop_missing = true, .max_change_percent = 20};
    for (int way = 0; way < 2; way++) {
        if (way)
            world_put(w, ".lockstep/bucket-id", "01SOMEBODYELSE\n");
        else
            world_delete(w, ".lockstep/bucket-id");
        world_scan(w);
        world_sync(w, &opts, LS_GUARD);
        assert_non_null(strstr(world_err.text, "--allow-empty"));
        assert_int_equal(ls_scan_bucket_mark(w->engine, &world_err), LS_GUARD);
        assert_int_equal(world_sql_int(w, "SELECT count(*) FROM product_image"), 3);
    }
    opts.override_empty = true;
    assert_int_equal(world_sync(w, &opts, LS_OK).done.drop, 1);
    /* it is the right one from now on */
    world_scan(w);
    opts.override_empty = false;
    world_sync(w, &opts, LS_OK);
    assert_int_equal(ls_scan_bucket_mark(w->engine, &world_err), LS_OK);
}

static void nothing_to_do_needs_no_guard(void **state)
{
    struct world *w = *state;
    assert_int_equal(ls_scan_bucket_mark(w->engine, &world_err), LS_OK);
    world_delete(w, ".lockstep/bucket-id");
    world_scan(w);
    struct ls_sync_opts opts = all_options();
    world_sync(w, &opts, LS_OK);
}

static int count_files(const char *dir, const char *prefix)
{
    DIR *d = opendir(dir);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    closedir(d);
    return n;
}

static void the_catalog_is_backed_up_before_the_first_change_and_three_are_kept(void **state)
{
    struct world *w = *state;
    char path[192];
    snprintf(path, sizeof path, "%s/catalog.db.backup", w->dir);
    struct ls_sync_opts opts = all_options();
    opts.backup_path = path;
    world_scan(w);
    world_sync(w, &opts, LS_OK);
    assert_int_equal(count_files(w->dir, "catalog.db.backup-"), 0); /* nothing to do */
    snprintf(path, sizeof path, "%s/catalog.db.backup-notes.txt", w->dir);
    fclose(fopen(path, "w"));
    snprintf(path, sizeof path, "%s/catalog.db.backup", w->dir);
    for (int i = 0; i < 5; i++) {
        char key[128];
        snprintf(key, sizeof key, "products/p1/1kg/hero-card/%d.jpg", i);
        world_put(w, key, "x");
        world_scan(w);
        assert_int_equal(world_sync(w, &opts, LS_OK).done.adopt, 1);
    }
    assert_int_equal(count_files(w->dir, "catalog.db.backup-2"), 3);
    assert_int_equal(count_files(w->dir, "catalog.db.backup-notes.txt"), 1);
    world_put(w, ORPHAN, "x");
    world_scan(w);
    opts.backup_path = "/nonexistent/backup";
    struct ls_sync_totals t;
    assert_int_not_equal(ls_sync_run(w->engine, w->scan, &opts, NULL, NULL, &t, &world_err), LS_OK);
    assert_false(world_has_row(w, ORPHAN));
}

static void one_new_orphan_is_adopted(struct world *w, const struct ls_sync_opts *opts, int n)
{
    char key[128];
    snprintf(key, sizeof key, "products/p1/1kg/hero-card/new-%d.jpg", n);
    world_put(w, key, "x");
    world_scan(w);
    assert_int_equal(world_sync(w, opts, LS_OK).done.adopt, 1);
}

static void no_backup_is_made_while_there_is_one_that_is_young_enough(void **state)
{
    struct world *w = *state;
    char path[192], other[224];
    snprintf(path, sizeof path, "%s/catalog.db.backup", w->dir);
    struct ls_sync_opts opts = all_options();
    opts.backup_path = path;
    opts.backup_age_ms = 3600 * 1000;
    /* one of long ago, and one of a clock that was wrong: neither is a backup of now */
    static const char *const stamps[] = {"20200102T030405.678Z", "29990102T030405.678Z"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(other, sizeof other, "%s-%s", path, stamps[i]);
        fclose(fopen(other, "w"));
    }
    one_new_orphan_is_adopted(w, &opts, 1);
    assert_int_equal(count_files(w->dir, "catalog.db.backup-"), 3);
    one_new_orphan_is_adopted(w, &opts, 2);
    one_new_orphan_is_adopted(w, &opts, 3);
    assert_int_equal(count_files(w->dir, "catalog.db.backup-"), 3);
    assert_int_equal(count_files(w->dir, "catalog.db.backup-2020"), 1);
    opts.backup_age_ms = 1;
    ls_sleep_ms(2); /* so much older must it be */
    one_new_orphan_is_adopted(w, &opts, 4);
    assert_int_equal(count_files(w->dir, "catalog.db.backup-2020"), 0); /* pushed out by the new one */
}

static void a_cancelled_sync_stops_between_batches(void **state)
{
    struct world *w = *state;
    atomic_bool cancel = true;
    drift(w);
    struct ls_sync_opts opts = all_options();
    opts.cancel = &cancel;
    struct ls_sync_totals t = world_sync(w, &opts, LS_CANCELLED);
    assert_int_equal(t.remaining, 7);
}

static void many_findings_go_in_batches(void **state)
{
    struct world *w = *state;
    char key[128];
    for (int i = 0; i < 1200; i++) {
        snprintf(key, sizeof key, "products/p%d/1kg/hero-card/%d.jpg", i % 7, i);
        world_put(w, key, key);
    }
    assert_int_equal(world_scan(w)->by_kind[LS_FINDING_ORPHANED], 1200);
    struct ls_sync_opts opts = all_options();
    assert_int_equal(world_sync(w, &opts, LS_OK).done.adopt, 1200);
    world_scan(w);
    world_in_step(w, 1200);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(keeping_everything_changes_nothing),
        T(all_options_mend_all_and_a_second_run_finds_nothing),
        T(removed_orphans_lie_in_trash),
        T(halves_of_a_moved_pair_are_kept_unless_they_are_relinked),
        T(a_stale_row_that_is_misfiled_as_well_is_mended_in_one_run),
        T(a_refresh_also_fills_in_what_was_never_recorded),
        T(what_changed_since_the_scan_is_skipped),
        T(a_dry_run_tells_the_same_and_changes_nothing),
        T(more_than_allowed_stops_it_before_anything_changes),
        T(ten_are_always_allowed_by_percent_but_a_count_is_a_count),
        T(moved_ones_do_not_count),
        T(an_empty_bucket_loses_no_row),
        T(a_bucket_without_its_mark_or_with_another_loses_nothing),
        T(nothing_to_do_needs_no_guard),
        T(the_catalog_is_backed_up_before_the_first_change_and_three_are_kept),
        T(no_backup_is_made_while_there_is_one_that_is_young_enough),
        T(a_cancelled_sync_stops_between_batches),
        T(many_findings_go_in_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
