/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Contract: a role has one leader, and who has lost it is told. */
#include "catalog/contract.h"

/* A second process's catalog, with an instance. */
static struct ls_catalog *open_other(const struct fixture *f, char out_id[LS_INTENT_ID_LEN])
{
    struct ls_err err = LS_ERR_INIT;
    struct ls_catalog *cat = f->backend->open(f->dir);
    assert_non_null(cat);
    assert_ok(cat->ops->instance_start(cat, "other", out_id, &err), &err);
    return cat;
}

static enum ls_rc check(struct ls_catalog *cat, int64_t epoch, struct ls_err *err)
{
    struct ls_tx *tx = begin(cat);
    enum ls_rc rc = ls_leader_check(tx, LS_LEAD_SETTLER, epoch, err);
    cat->ops->rollback(tx);
    return rc;
}

static void a_role_has_one_leader_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct ls_catalog *cat = f->cat;
    struct ls_err err = LS_ERR_INIT;
    struct ls_leader leader;
    char me[LS_INTENT_ID_LEN], them[LS_INTENT_ID_LEN];
    int64_t first, again, second;
    assert_fails(ls_leader_get(cat, NULL, LS_LEAD_SETTLER, &leader, &err), LS_NOT_FOUND, &err, "settler");
    assert_ok(cat->ops->instance_start(cat, "test", me, &err), &err);
    struct ls_catalog *other = open_other(f, them);
    assert_ok(cat->ops->leader_take(cat, LS_LEAD_SETTLER, &first, &err), &err);
    assert_ok(cat->ops->leader_take(cat, LS_LEAD_SETTLER, &again, &err), &err);
    assert_int_equal(again, first);
    assert_fails(other->ops->leader_take(other, LS_LEAD_SETTLER, &second, &err), LS_BUSY, &err, "another process");
    assert_ok(ls_leader_get(other, NULL, LS_LEAD_SETTLER, &leader, &err), &err);
    assert_int_equal(leader.epoch, first);
    assert_string_equal(leader.instance, me);
    assert_ok(check(cat, first, &err), &err);

    cat->ops->leader_leave(cat, LS_LEAD_SETTLER);
    assert_ok(other->ops->leader_take(other, LS_LEAD_SETTLER, &second, &err), &err);
    assert_true(second > first);
    assert_fails(cat->ops->leader_take(cat, LS_LEAD_SETTLER, &again, &err), LS_BUSY, &err, "another process");
    assert_ok(check(other, second, &err), &err);
    ls_catalog_close(other);
}

static void who_lost_a_role_is_told_by_its_epoch(void **state)
{
    struct fixture *f = *state;
    struct ls_catalog *cat = f->cat;
    struct ls_err err = LS_ERR_INIT;
    char me[LS_INTENT_ID_LEN], them[LS_INTENT_ID_LEN];
    int64_t first, second;
    assert_ok(cat->ops->instance_start(cat, "test", me, &err), &err);
    assert_fails(check(cat, 1, &err), LS_CONFLICT, &err, "taken the role");
    assert_ok(cat->ops->leader_take(cat, LS_LEAD_SETTLER, &first, &err), &err);
    cat->ops->leader_leave(cat, LS_LEAD_SETTLER);
    cat->ops->leader_leave(cat, LS_LEAD_SETTLER); /* twice does no harm */
    assert_ok(check(cat, first, &err), &err);     /* nobody has taken it yet */
    struct ls_catalog *other = open_other(f, them);
    assert_ok(other->ops->leader_take(other, LS_LEAD_SETTLER, &second, &err), &err);
    assert_fails(check(cat, first, &err), LS_CONFLICT, &err, them);
    ls_catalog_close(other);
    /* The lock went with its process, the number stays. */
    assert_ok(cat->ops->leader_take(cat, LS_LEAD_SETTLER, &first, &err), &err);
    assert_true(first > second);
}

static const struct CMUnitTest tests[] = {
    CONTRACT_TEST(a_role_has_one_leader_at_a_time),
    CONTRACT_TEST(who_lost_a_role_is_told_by_its_epoch),
};
const struct contract contract_roles = {"roles", tests, sizeof tests / sizeof tests[0]};
