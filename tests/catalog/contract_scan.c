/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Contract: scans, the ranges of shared ones, findings. */
#include "catalog/contract.h"

#define ME "01ME"
#define OTHER "01OTHER"

static void scans_are_recorded_and_read_newest_first(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan_row first = {.started_ns = 1, .scope = "p1"},
                       second = {.started_ns = 2, .unannounced = LS_UNANNOUNCED_UNKNOWN}, got, unknown = {.id = 4242};
    assert_int_equal(cat->ops->scan_get(cat, 0, &got, &err), LS_NOT_FOUND);
    assert_ok(cat->ops->scan_put(cat, &first, &err), &err);
    assert_true(first.id > 0);
    first.ended_ns = 9;
    first.complete = true;
    first.images = 1, first.synced = 2, first.orphaned = 3, first.missing = 4, first.stale = 5, first.moved = 6;
    first.misfiled = 7, first.misplaced = 8, first.pending = 9, first.errors = 10;
    first.products = 11, first.twins = 12, first.objects_seen = 13, first.rows_seen = 14;
    first.unannounced = 15;
    first.findings = LS_SCAN_FINDINGS_KEPT;
    strcpy(first.instance, ME);
    strcpy(first.options, "grace=0");
    assert_ok(cat->ops->scan_put(cat, &first, &err), &err);
    assert_ok(cat->ops->scan_put(cat, &second, &err), &err);
    assert_true(second.id > first.id);
    assert_ok(cat->ops->scan_get(cat, 0, &got, &err), &err);
    assert_int_equal(got.id, second.id);
    assert_false(got.complete || got.shared);
    assert_true(got.unannounced == LS_UNANNOUNCED_UNKNOWN);
    assert_int_equal(got.findings, LS_SCAN_FINDINGS_NONE);
    assert_ok(cat->ops->scan_get(cat, got.id, &got, &err), &err);
    assert_int_equal(got.id, first.id);
    assert_int_equal(got.started_ns, 1);
    assert_int_equal(got.ended_ns, 9);
    assert_true(got.complete);
    assert_string_equal(got.scope, "p1");
    const uint64_t counts[] = {got.images,   got.synced,   got.orphaned,     got.missing,   got.stale,
                               got.moved,    got.misfiled, got.misplaced,    got.pending,   got.errors,
                               got.products, got.twins,    got.objects_seen, got.rows_seen, got.unannounced};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        assert_int_equal(counts[i], i + 1);
    assert_int_equal(got.findings, LS_SCAN_FINDINGS_KEPT);
    assert_string_equal(got.instance, ME);
    assert_string_equal(got.options, "grace=0");
    assert_int_equal(cat->ops->scan_get(cat, got.id, &got, &err), LS_NOT_FOUND);
    assert_int_equal(cat->ops->scan_put(cat, &unknown, &err), LS_NOT_FOUND);
}

static void a_shared_scan_is_found_until_it_has_ended(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan_row alone = {.started_ns = 1, .findings = LS_SCAN_FINDINGS_WRITING}, got;
    struct ls_scan_row shared = {.started_ns = 2, .shared = true, .findings = LS_SCAN_FINDINGS_WRITING};
    assert_ok(cat->ops->scan_put(cat, &alone, &err), &err);
    assert_int_equal(cat->ops->scan_running(cat, NULL, &got, &err), LS_NOT_FOUND);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->scan_write(tx, &shared, &err), &err);
    assert_ok(cat->ops->scan_running(cat, tx, &got, &err), &err);
    assert_int_equal(got.id, shared.id);
    assert_true(got.shared);
    commit(tx);
    shared.ended_ns = 3;
    assert_ok(cat->ops->scan_put(cat, &shared, &err), &err);
    assert_int_equal(cat->ops->scan_running(cat, NULL, &got, &err), LS_NOT_FOUND);
}

static void the_newest_scan_of_everything_is_found_whatever_products_were_scanned_since(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan_row got = {.id = 0};
    struct ls_scan_row scans[] = {
        {.started_ns = 1, .ended_ns = 2, .complete = true, .findings = LS_SCAN_FINDINGS_KEPT},
        {.started_ns = 3, .ended_ns = 4, .complete = true, .findings = LS_SCAN_FINDINGS_GOING},
        {.started_ns = 5, .ended_ns = 6, .findings = LS_SCAN_FINDINGS_KEPT},
        {.started_ns = 7, .complete = true, .findings = LS_SCAN_FINDINGS_WRITING},
        {.started_ns = 8, .ended_ns = 9, .complete = true, .scope = "p1", .findings = LS_SCAN_FINDINGS_KEPT}};
    for (int which = LS_WHOLE_SCAN_ANY; which <= LS_WHOLE_SCAN_KEPT; which++)
        assert_fails(cat->ops->scan_whole(cat, which, &got, &err), LS_NOT_FOUND, &err, "scan of everything");
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++)
        assert_ok(cat->ops->scan_put(cat, &scans[i], &err), &err);
    assert_ok(cat->ops->scan_whole(cat, LS_WHOLE_SCAN_ANY, &got, &err), &err);
    assert_int_equal(got.id, scans[3].id);
    assert_ok(cat->ops->scan_whole(cat, LS_WHOLE_SCAN_COMPLETE, &got, &err), &err);
    assert_int_equal(got.id, scans[1].id);
    assert_ok(cat->ops->scan_whole(cat, LS_WHOLE_SCAN_KEPT, &got, &err), &err);
    assert_int_equal(got.id, scans[0].id);
    assert_int_equal(got.ended_ns, 2);
}

static void findings_are_found_by_their_keys(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan_row scan = {.started_ns = 1}, other = {.started_ns = 2};
    const struct ls_scan_finding found[] = {{.key = "a", .kind = "orphaned", .object_etag = "e", .object_size = 7},
                                            {.key = "a\xff'", .kind = "missing", .partner = "a", .row_etag = ""},
                                            {.key = "b", .kind = "stale", .flags = 2, .detail = "why"}};
    const char *const keys[] = {"b", "nothing", "a\xff'", ""};
    struct ls_scan_finding_page page;
    assert_ok(cat->ops->scan_put(cat, &scan, &err), &err);
    assert_ok(cat->ops->scan_put(cat, &other, &err), &err);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->findings_put(tx, scan.id, found, 3, &err), &err);
    assert_ok(cat->ops->findings_put(tx, other.id, found, 1, &err), &err);
    commit(tx);
    assert_ok(cat->ops->findings_get(cat, scan.id, keys, 4, &page, &err), &err);
    assert_int_equal(page.n, 2);
    size_t b = strcmp(page.items[0].key, "b") ? 1 : 0;
    assert_string_equal(page.items[b].key, "b");
    assert_string_equal(page.items[b].detail, "why");
    assert_int_equal(page.items[b].flags, 2);
    assert_string_equal(page.items[!b].partner, "a");
    assert_string_equal(page.items[!b].row_etag, "");
    assert_null(page.items[!b].object_etag);
    ls_scan_finding_page_dispose(&page);
    assert_ok(cat->ops->findings_get(cat, other.id, keys, 4, &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_scan_finding_page_dispose(&page);
    assert_ok(cat->ops->findings_get(cat, scan.id, NULL, 0, &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_scan_finding_page_dispose(&page);
}

/* A shared scan with the ranges 0 (what is left), 1 and 2; its id. */
static int64_t add_shared(struct ls_catalog *cat)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan_row scan = {.started_ns = 1, .shared = true, .findings = LS_SCAN_FINDINGS_WRITING};
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->scan_write(tx, &scan, &err), &err);
    const struct ls_scan_range ranges[] = {
        {.scan = scan.id, .number = 0, .prefix = "", .after_key = "", .state = LS_RANGE_FREE},
        {.scan = scan.id, .number = 1, .prefix = "", .after_key = "", .last_key = "m\xff", .state = LS_RANGE_FREE},
        {.scan = scan.id, .number = 2, .prefix = "p", .after_key = "m\xff", .state = LS_RANGE_FREE}};
    assert_ok(cat->ops->scan_ranges_add(tx, ranges, 3, &err), &err);
    commit(tx);
    return scan.id;
}

/* The range of that number as it is now; its texts are those of the last call. */
static struct ls_scan_range range_now(struct ls_catalog *cat, int64_t scan, int64_t number)
{
    static struct ls_scan_range_page page;
    struct ls_err err = LS_ERR_INIT;
    ls_scan_range_page_dispose(&page);
    assert_ok(cat->ops->scan_ranges(cat, NULL, scan, &page, &err), &err);
    assert_int_equal(page.n, 3);
    assert_int_equal(page.items[number].number, number);
    return page.items[number];
}

/* Take any free range for an instance; -1 when there is none. */
static int64_t take(struct ls_catalog *cat, int64_t scan, const char *instance, int64_t *out_turn)
{
    struct ls_err err = LS_ERR_INIT;
    int64_t number = -1;
    struct ls_tx *tx = begin(cat);
    enum ls_rc rc = cat->ops->scan_range_take(tx, scan, instance, &number, out_turn, &err);
    commit(tx);
    assert_true(rc == LS_OK || (rc == LS_NOT_FOUND && number == -1));
    return number;
}

static enum ls_rc set(struct ls_catalog *cat, int64_t scan, int64_t number, const char *instance, int64_t turn,
                      enum ls_range_state to)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan_range range = {.scan = scan,
                                  .number = number,
                                  .state = to,
                                  .turn = turn,
                                  .store_incomplete = true,
                                  .synced = 5,
                                  .objects_seen = 6,
                                  .rows_seen = 7,
                                  .errors = 2,
                                  .messages = "one\ntwo"};
    strcpy(range.instance, instance);
    struct ls_tx *tx = begin(cat);
    enum ls_rc rc = cat->ops->scan_range_set(tx, &range, &err);
    commit(tx);
    return rc;
}

static void each_range_is_taken_once_and_what_is_left_comes_last(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    int64_t scan = add_shared(cat), turn = 0;
    assert_int_equal(take(cat, scan, ME, &turn), 1);
    assert_int_equal(turn, 1);
    assert_int_equal(take(cat, scan, OTHER, &turn), 2);
    assert_int_equal(take(cat, scan, ME, &turn), -1);
    struct ls_scan_range range = range_now(cat, scan, 2);
    assert_int_equal(range.state, LS_RANGE_TAKEN);
    assert_string_equal(range.instance, OTHER);
    assert_string_equal(range.prefix, "p");
    assert_string_equal(range.after_key, "m\xff");
    assert_null(range.last_key);
    assert_string_equal(range_now(cat, scan, 1).last_key, "m\xff");
    assert_int_equal(set(cat, scan, 1, ME, 1, LS_RANGE_DONE), LS_OK);
    assert_int_equal(take(cat, scan, ME, &turn), -1);
    assert_int_equal(set(cat, scan, 2, OTHER, 1, LS_RANGE_FREE), LS_OK); /* given back */
    assert_int_equal(take(cat, scan, ME, &turn), 2);
    assert_int_equal(turn, 2);
    assert_int_equal(set(cat, scan, 2, ME, 2, LS_RANGE_DONE), LS_OK);
    assert_int_equal(take(cat, scan, OTHER, &turn), 0);
    assert_int_equal(take(cat, scan + 1, OTHER, &turn), -1);
    range = range_now(cat, scan, 1);
    assert_int_equal(range.state, LS_RANGE_DONE);
    assert_true(range.store_incomplete && !range.catalog_incomplete);
    assert_int_equal(range.synced, 5);
    assert_int_equal(range.objects_seen, 6);
    assert_int_equal(range.rows_seen, 7);
    assert_int_equal(range.errors, 2);
    assert_string_equal(range.messages, "one\ntwo");
}

static void who_lost_a_range_cannot_record_it(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    int64_t scan = add_shared(cat), turn = 0, late = 0;
    assert_int_equal(take(cat, scan, ME, &turn), 1);
    struct ls_scan_range seen = range_now(cat, scan, 1);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->scan_range_take_over(tx, &seen, OTHER, &turn, &err), &err);
    assert_int_equal(turn, 2);
    assert_fails(cat->ops->scan_range_take_over(tx, &seen, ME, &late, &err), LS_CONFLICT, &err, "another process");
    commit(tx);
    assert_int_equal(set(cat, scan, 1, ME, 1, LS_RANGE_DONE), LS_CONFLICT);
    assert_int_equal(range_now(cat, scan, 1).state, LS_RANGE_TAKEN);
    assert_int_equal(range_now(cat, scan, 1).synced, 0);
    /* nor when it has got the range again meanwhile */
    seen = range_now(cat, scan, 1);
    tx = begin(cat);
    assert_ok(cat->ops->scan_range_take_over(tx, &seen, ME, &turn, &err), &err);
    commit(tx);
    assert_int_equal(set(cat, scan, 1, ME, 1, LS_RANGE_DONE), LS_CONFLICT);
    assert_int_equal(set(cat, scan, 1, ME, 3, LS_RANGE_DONE), LS_OK);
    assert_int_equal(set(cat, scan, 1, ME, 3, LS_RANGE_DONE), LS_CONFLICT); /* once */
    seen = range_now(cat, scan, 1);
    tx = begin(cat);
    assert_int_equal(cat->ops->scan_range_take_over(tx, &seen, OTHER, &turn, &err), LS_CONFLICT); /* it is done */
    commit(tx);
}

static void a_beat_moves_only_what_the_instance_has(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    int64_t scan = add_shared(cat), turn = 0;
    assert_int_equal(take(cat, scan, ME, &turn), 1);
    assert_int_equal(take(cat, scan, OTHER, &turn), 2);
    int64_t mine = range_now(cat, scan, 1).beat, others = range_now(cat, scan, 2).beat;
    assert_ok(cat->ops->scan_beat(cat, scan, ME, &err), &err);
    assert_true(range_now(cat, scan, 1).beat > mine);
    assert_int_equal(range_now(cat, scan, 2).beat, others);
}

static size_t count_findings(struct ls_catalog *cat, int64_t scan)
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan_finding_page page;
    assert_ok(cat->ops->finding_page(cat, scan, "", 100000, &page, &err), &err);
    size_t n = page.n;
    ls_scan_finding_page_dispose(&page);
    return n;
}

static void findings_are_read_in_the_order_of_bytes(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan_finding_page page;
    struct ls_scan_row scan = {.started_ns = 1};
    struct ls_scan_finding *items = calloc(n_hostile_keys, sizeof *items);
    assert_non_null(items);
    for (size_t i = 0; i < n_hostile_keys; i++)
        items[i] = (struct ls_scan_finding){.key = hostile_keys[n_hostile_keys - 1 - i], .kind = "orphaned"};
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->scan_write(tx, &scan, &err), &err);
    assert_ok(cat->ops->findings_put(tx, scan.id, items, n_hostile_keys, &err), &err);
    commit(tx);
    free(items);
    const char *after = "";
    for (size_t i = 0; i < n_hostile_keys; i++) {
        assert_ok(cat->ops->finding_page(cat, scan.id, after, 1, &page, &err), &err);
        assert_int_equal(page.n, 1);
        assert_string_equal(page.items[0].key, hostile_keys[i]);
        ls_scan_finding_page_dispose(&page);
        after = hostile_keys[i];
    }
    assert_ok(cat->ops->finding_page(cat, scan.id, after, 1, &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_scan_finding_page_dispose(&page);
}

static void a_finding_is_kept_whole_and_replaced(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan_finding_page page;
    struct ls_scan_row scan = {.started_ns = 1};
    struct ls_scan_finding f = {.key = "k",
                                .kind = "stale",
                                .flags = 6,
                                .twin = INT64_MAX,
                                .partner = "q\xfe",
                                .row_etag = "",
                                .object_etag = "e",
                                .row_size = 1,
                                .object_size = 2,
                                .detail = "why"};
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->scan_write(tx, &scan, &err), &err);
    assert_ok(cat->ops->findings_put(tx, scan.id, &f, 1, &err), &err);
    commit(tx);
    assert_ok(cat->ops->finding_page(cat, scan.id, "", 9, &page, &err), &err);
    assert_int_equal(page.n, 1);
    const struct ls_scan_finding *got = page.items;
    assert_string_equal(got->kind, "stale");
    assert_int_equal(got->flags, 6);
    assert_true(got->twin == INT64_MAX);
    assert_string_equal(got->partner, "q\xfe");
    assert_string_equal(got->row_etag, "");
    assert_string_equal(got->object_etag, "e");
    assert_int_equal(got->row_size, 1);
    assert_int_equal(got->object_size, 2);
    assert_string_equal(got->detail, "why");
    ls_scan_finding_page_dispose(&page);
    f = (struct ls_scan_finding){.key = "k", .kind = "missing"};
    tx = begin(cat);
    assert_ok(cat->ops->findings_put(tx, scan.id, &f, 1, &err), &err);
    commit(tx);
    assert_ok(cat->ops->finding_page(cat, scan.id, "", 9, &page, &err), &err);
    assert_int_equal(page.n, 1);
    got = page.items;
    assert_string_equal(got->kind, "missing");
    assert_true(!got->partner && !got->row_etag && !got->object_etag && !got->detail && !got->twin);
    ls_scan_finding_page_dispose(&page);
}

static void findings_are_removed_by_range_and_kind(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_scan_row scan = {.started_ns = 1}, other = {.started_ns = 1};
    const struct ls_scan_finding items[] = {{.key = "a", .kind = "missing"},
                                            {.key = "b", .kind = "orphaned"},
                                            {.key = "b\xff", .kind = "orphaned"},
                                            {.key = "c", .kind = "missing"}};
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->scan_write(tx, &scan, &err), &err);
    assert_ok(cat->ops->scan_write(tx, &other, &err), &err);
    assert_ok(cat->ops->findings_put(tx, scan.id, items, 4, &err), &err);
    assert_ok(cat->ops->findings_put(tx, other.id, items, 4, &err), &err);
    assert_ok(cat->ops->findings_remove(tx, scan.id, NULL, "a", "b", &err), &err); /* b alone */
    commit(tx);
    assert_int_equal(count_findings(cat, scan.id), 3);
    tx = begin(cat);
    assert_ok(cat->ops->findings_remove(tx, scan.id, "missing", "", NULL, &err), &err);
    commit(tx);
    assert_int_equal(count_findings(cat, scan.id), 1);
    assert_int_equal(count_findings(cat, other.id), 4);
}

/* A scan with one finding. */
static int64_t add_found(struct ls_catalog *cat, const char *scope, bool complete, enum ls_scan_findings findings,
                         const char *instance)
{
    struct ls_err err = LS_ERR_INIT;
    const struct ls_scan_finding item = {.key = "k", .kind = "missing"};
    struct ls_scan_row scan = {.started_ns = 1, .complete = complete, .findings = findings};
    scan.ended_ns = findings == LS_SCAN_FINDINGS_KEPT;
    strcpy(scan.scope, scope);
    strcpy(scan.instance, instance);
    struct ls_tx *tx = begin(cat);
    assert_ok(cat->ops->scan_write(tx, &scan, &err), &err);
    assert_ok(cat->ops->findings_put(tx, scan.id, &item, 1, &err), &err);
    commit(tx);
    return scan.id;
}

static void the_newest_findings_of_a_kind_stay_and_those_of_the_dead_go(void **state)
{
    struct ls_catalog *cat = ((struct fixture *)*state)->cat;
    struct ls_err err = LS_ERR_INIT;
    char me[LS_INTENT_ID_LEN];
    bool more = true;
    assert_ok(cat->ops->instance_start(cat, "test", me, &err), &err);
    int64_t shared = add_shared(cat);
    int64_t writing = add_found(cat, "", false, LS_SCAN_FINDINGS_WRITING, me);
    int64_t died = add_found(cat, "", false, LS_SCAN_FINDINGS_WRITING, OTHER);
    int64_t part = add_found(cat, "p1", true, LS_SCAN_FINDINGS_KEPT, OTHER);
    int64_t broken = add_found(cat, "", false, LS_SCAN_FINDINGS_KEPT, OTHER);
    int64_t whole[4];
    for (int i = 0; i < 4; i++)
        whole[i] = add_found(cat, "", true, LS_SCAN_FINDINGS_KEPT, OTHER);
    for (int i = 0; more && i < 20; i++)
        assert_ok(cat->ops->scan_tidy(cat, &more, &err), &err);
    assert_false(more);
    for (int i = 0; i < 4; i++)
        assert_int_equal(count_findings(cat, whole[i]), i >= 2);
    assert_int_equal(count_findings(cat, part), 1);
    assert_int_equal(count_findings(cat, broken), 1);
    assert_int_equal(count_findings(cat, writing), 1);
    assert_int_equal(count_findings(cat, died), 0);
    struct ls_scan_row got;
    assert_ok(cat->ops->scan_get(cat, died + 1, &got, &err), &err);
    assert_int_equal(got.findings, LS_SCAN_FINDINGS_NONE);
    assert_true(got.ended_ns > 0 && !got.complete);
    assert_ok(cat->ops->scan_get(cat, whole[0] + 1, &got, &err), &err);
    assert_int_equal(got.findings, LS_SCAN_FINDINGS_NONE);
    assert_true(got.complete); /* its counts stay */
    assert_ok(cat->ops->scan_running(cat, NULL, &got, &err), &err);
    assert_int_equal(got.id, shared);
    assert_int_equal(range_now(cat, shared, 1).state, LS_RANGE_FREE);
    /* a shared scan that was given up loses its ranges as well */
    got.ended_ns = 5;
    got.findings = LS_SCAN_FINDINGS_GOING;
    assert_ok(cat->ops->scan_put(cat, &got, &err), &err);
    more = true;
    for (int i = 0; more && i < 20; i++)
        assert_ok(cat->ops->scan_tidy(cat, &more, &err), &err);
    struct ls_scan_range_page page;
    assert_ok(cat->ops->scan_ranges(cat, NULL, shared, &page, &err), &err);
    assert_int_equal(page.n, 0);
    ls_scan_range_page_dispose(&page);
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(scans_are_recorded_and_read_newest_first),
    CONTRACT_TEST(the_newest_scan_of_everything_is_found_whatever_products_were_scanned_since),
    CONTRACT_TEST(findings_are_found_by_their_keys),
    CONTRACT_TEST(a_shared_scan_is_found_until_it_has_ended),
    CONTRACT_TEST(each_range_is_taken_once_and_what_is_left_comes_last),
    CONTRACT_TEST(who_lost_a_range_cannot_record_it),
    CONTRACT_TEST(a_beat_moves_only_what_the_instance_has),
    CONTRACT_TEST(findings_are_read_in_the_order_of_bytes),
    CONTRACT_TEST(a_finding_is_kept_whole_and_replaced),
    CONTRACT_TEST(findings_are_removed_by_range_and_kind),
    CONTRACT_TEST(the_newest_findings_of_a_kind_stay_and_those_of_the_dead_go),
};
const struct contract contract_scan = {"scans, ranges, findings", tests, sizeof tests / sizeof tests[0]};
