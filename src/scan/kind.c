/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The words for kinds of findings, as users and the catalog's records see them. */
#include <string.h>

#include "lockstep/scan.h"

static const char *const kind_names[LS_FINDING_KINDS] = {
    [LS_FINDING_SYNCED] = "synced", [LS_FINDING_ORPHANED] = "orphaned", [LS_FINDING_MISSING] = "missing",
    [LS_FINDING_STALE] = "stale",   [LS_FINDING_MISFILED] = "misfiled", [LS_FINDING_PENDING] = "pending",
};

const char *ls_finding_kind_name(enum ls_finding_kind kind) { return kind_names[kind]; }

bool ls_finding_kind_parse(const char *name, enum ls_finding_kind *out)
{
    for (int kind = 0; kind < LS_FINDING_KINDS; kind++)
        if (strcmp(kind_names[kind], name) == 0) {
            *out = (enum ls_finding_kind)kind;
            return true;
        }
    return false;
}
