/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What init --attach and attach have in common: the report, and tying bucket and catalog to each other. */
#include <stdio.h>

#include "base/auto.h"
#include "base/buf.h"
#include "catalog/attach.h"
#include "cli/cli.h"
#include "lockstep/scan.h"

int ls_cli_attach_report(const struct ls_config *config, bool all, bool *out_other_mapping)
{
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_attach_report) struct ls_attach_report report;
    ls_attach_report_init(&report);
    if (ls_compose_attach_check(config, &report, &err))
        return ls_cli_complain(&err), LS_EXIT_ERROR;
    if (out_other_mapping)
        *out_other_mapping = report.other_mapping;
    if (report.advice.len)
        fprintf(stderr, "It would be better so:\n%s", report.advice.data);
    if (report.n_problems)
        fprintf(stderr, "%sThis does not fit:\n%s", report.advice.len ? "\n" : "", report.problems.data);
    if (all) {
        printf("-- what the role needs, before the first `lockstep attach` too\n%s", report.grants.data);
        printf("-- %s; %u problem%s\n",
               report.other_mapping ? "attached by another mapping: `lockstep attach` takes this one"
               : report.installed   ? "attached"
                                    : "not attached yet",
               report.n_problems, report.n_problems == 1 ? "" : "s");
    } else if (report.n_problems) {
        fprintf(stderr, "\nNothing was changed in the database. Mend this, then `lockstep attach`.\n");
    }
    bool fits = !report.n_problems && !(all && report.other_mapping);
    return ls_cli_finish(fits ? LS_EXIT_OK : LS_EXIT_DIFFERENCES);
}

enum ls_rc ls_cli_attach_tie(const struct ls_config *config, struct ls_err *err)
{
    LS_AUTO(ls_stack) struct ls_stack *stack = NULL;
    const struct ls_compose_opts opts = {.depth = LS_COMPOSE_ENGINE, .kind = "cli", .actor = "cli init"};
    enum ls_rc rc = ls_compose_open(config, &opts, &stack, err);
    return rc || !stack ? rc : ls_scan_bucket_mark(stack->engine, err);
}
