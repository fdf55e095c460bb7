/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Roles: the epoch of each and who has it.
 *
 * The lock says who may act. It can be lost without its holder noticing (a connection that was cut, a process that was
 * stopped meanwhile), so each take raises a number in lockstep_meta, and whatever a leader writes is checked against it
 * in the same transaction. The setting is "epoch instance".
 */
#include "catalog/leader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"

static const char *setting_of(enum ls_lead role)
{
    switch (role) {
    case LS_LEAD_SETTLER:
        return "leader.settler";
    case LS_LEAD_INBOX:
        return "leader.inbox";
    case LS_LEADS:
        break;
    }
    return "leader.unknown";
}

enum ls_rc ls_leader_get(struct ls_catalog *cat, struct ls_tx *tx, enum ls_lead role, struct ls_leader *out,
                         struct ls_err *err)
{
    LS_AUTO(ls_free) char *text = NULL;
    *out = (struct ls_leader){0};
    enum ls_rc rc = cat->ops->meta_get(cat, tx, setting_of(role), &text, err);
    if (rc != LS_OK)
        return rc;
    if (sscanf(text, "%" SCNd64 " %26s", &out->epoch, out->instance) != 2 || out->epoch < 1)
        return ls_err_set(err, LS_CORRUPT, "catalog: the setting %s is '%s': want a number and an instance",
                          setting_of(role), text);
    return LS_OK;
}

enum ls_rc ls_leader_check(struct ls_tx *tx, enum ls_lead role, int64_t epoch, struct ls_err *err)
{
    struct ls_leader now;
    enum ls_rc rc = ls_leader_get(tx->cat, tx, role, &now, err);
    if (rc == LS_NOT_FOUND || (rc == LS_OK && now.epoch != epoch))
        return ls_err_set(err, LS_CONFLICT, "catalog: instance %s has taken the role over (epoch %" PRId64 ")",
                          now.instance, now.epoch);
    return rc;
}

static enum ls_rc write_leader(struct ls_tx *tx, enum ls_lead role, const char *instance, int64_t *out_epoch,
                               struct ls_err *err)
{
    struct ls_leader before;
    char text[64];
    enum ls_rc rc = ls_leader_get(tx->cat, tx, role, &before, err);
    if (rc != LS_OK && rc != LS_NOT_FOUND)
        return rc;
    *out_epoch = before.epoch + 1;
    snprintf(text, sizeof text, "%" PRId64 " %s", *out_epoch, instance);
    return tx->cat->ops->meta_set(tx, setting_of(role), text, err);
}

enum ls_rc ls_leader_raise(struct ls_catalog *cat, enum ls_lead role, const char *instance, int64_t *out_epoch,
                           struct ls_err *err)
{
    struct ls_tx *tx;
    enum ls_rc rc = cat->ops->begin(cat, &tx, err);
    if (rc != LS_OK)
        return rc;
    return ls_catalog_end(tx, write_leader(tx, role, instance, out_epoch, err), err);
}
