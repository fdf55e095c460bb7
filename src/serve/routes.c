/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of routes. What openapi.yaml says of them is held against it by a test. */
#include "serve/internal.h"

#define READERS (LS_ROLE_READ | LS_ROLE_ADMIN)
#define ADMINS LS_ROLE_ADMIN
#define VARIANTS "/admin/products/:id/variants"
#define IMAGE "/admin/products/:id/images/:weight/:type/:file"

const struct ls_route ls_routes[] = {
    {"GET", "/", 0, LS_BODY_NONE, LS_LANE_NOW, "", ls_api_ui},
    {"GET", "/ui/:file", 0, LS_BODY_NONE, LS_LANE_NOW, "", ls_api_ui_file},
    {"GET", "/healthz", 0, LS_BODY_NONE, LS_LANE_NOW, "", ls_api_health},
    {"GET", "/readyz", 0, LS_BODY_NONE, LS_LANE_PROBE, "", ls_api_ready},
    {"GET", "/openapi.yaml", 0, LS_BODY_NONE, LS_LANE_NOW, "", ls_api_openapi},
    {"GET", "/metrics", LS_ROLE_METRICS | READERS, LS_BODY_NONE, LS_LANE_SHORT, "", ls_api_metrics},
    {"GET", "/admin/products/sync/check-all", READERS, LS_BODY_NONE, LS_LANE_LONG, "grace async", ls_api_check_all,
     ls_api_sync_check},
    {"POST", "/admin/products/sync/sync-all", LS_ROLE_ADMIN, LS_BODY_JSON, LS_LANE_MEND, "grace async", ls_api_sync_all,
     ls_api_sync_check},
    {"GET", "/admin/products/:id/images/sync/check", READERS, LS_BODY_NONE, LS_LANE_SHORT, "grace async",
     ls_api_check_one, ls_api_sync_check},
    {"POST", "/admin/products/:id/images/sync", LS_ROLE_ADMIN, LS_BODY_JSON, LS_LANE_MEND, "grace async",
     ls_api_sync_one, ls_api_sync_check},
    {"GET", "/admin/products/table", READERS, LS_BODY_NONE, LS_LANE_SHORT, "search sort after limit", ls_api_table},
    {"GET", "/admin/products", READERS, LS_BODY_NONE, LS_LANE_SHORT, "after limit", ls_api_products},
    {"GET", VARIANTS, READERS, LS_BODY_NONE, LS_LANE_SHORT, "", ls_api_variants},
    {"POST", VARIANTS, ADMINS, LS_BODY_JSON, LS_LANE_SHORT, "", ls_api_variant_create},
    {"PATCH", VARIANTS "/:weight", ADMINS, LS_BODY_JSON, LS_LANE_SHORT, "", ls_api_variant_change},
    {"DELETE", VARIANTS "/:weight", ADMINS, LS_BODY_NONE, LS_LANE_SHORT, "", ls_api_variant_delete},
    {"GET", "/admin/products/:id/images", READERS, LS_BODY_NONE, LS_LANE_SHORT, "after limit", ls_api_images},
    {"POST", "/admin/products/:id/images", ADMINS, LS_BODY_FORM, LS_LANE_SHORT, "", ls_api_image_post},
    {"GET", IMAGE, READERS, LS_BODY_NONE, LS_LANE_SHORT, "", ls_api_image_get},
    {"PUT", IMAGE, ADMINS, LS_BODY_FILE, LS_LANE_SHORT, "replaces", ls_api_image_put},
    {"DELETE", IMAGE, ADMINS, LS_BODY_NONE, LS_LANE_SHORT, "", ls_api_image_delete},
    {"GET", "/admin/overview", READERS, LS_BODY_NONE, LS_LANE_SHORT, "", ls_api_overview},
    {"GET", "/admin/jobs", READERS, LS_BODY_NONE, LS_LANE_NOW, "", ls_api_jobs},
    {"GET", "/admin/jobs/:job", READERS, LS_BODY_NONE, LS_LANE_NOW, "", ls_api_job},
    {"GET", "/admin/jobs/:job/result", READERS, LS_BODY_NONE, LS_LANE_SHORT, "", ls_api_job_result},
    {"GET", "/admin/jobs/:job/events", READERS, LS_BODY_NONE, LS_LANE_NOW, "", ls_api_job_events},
    {"GET", "/admin/audit", READERS, LS_BODY_NONE, LS_LANE_SHORT, "before limit prefix", ls_api_audit},
    {"GET", "/admin/scans", READERS, LS_BODY_NONE, LS_LANE_SHORT, "before limit", ls_api_scans},
    {"GET", "/admin/scans/:scan/findings", READERS, LS_BODY_NONE, LS_LANE_SHORT, "kind prefix after limit",
     ls_api_findings},
    {"POST", "/admin/findings/mend", ADMINS, LS_BODY_LIST, LS_LANE_MEND, "", ls_api_mend},
    {"GET", "/admin/objects", READERS, LS_BODY_NONE, LS_LANE_SHORT, "key", ls_api_object_get},
    {"GET", "/admin/journal", READERS, LS_BODY_NONE, LS_LANE_SHORT, "", ls_api_journal},
    {"GET", "/admin/events", READERS, LS_BODY_NONE, LS_LANE_SHORT, "", ls_api_recent},
    {"GET", "/admin/trash", READERS, LS_BODY_NONE, LS_LANE_SHORT, "after limit prefix", ls_api_trash},
    {"POST", "/admin/trash/purge", ADMINS, LS_BODY_JSON, LS_LANE_MEND, "", ls_api_trash_purge},
    {"POST", "/admin/trash/:trash/restore", ADMINS, LS_BODY_NONE, LS_LANE_SHORT, "", ls_api_trash_restore},
    {"POST", "/webhooks/minio", LS_ROLE_WEBHOOK, LS_BODY_EVENTS, LS_LANE_SHORT, "", ls_api_webhook_minio},
};
const size_t ls_routes_count = sizeof ls_routes / sizeof *ls_routes;
_Static_assert(sizeof ls_routes / sizeof *ls_routes <= LS_METRICS_ROUTES_MAX, "each route has its counters");
