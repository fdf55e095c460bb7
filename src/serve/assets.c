/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The assembler takes the files in as they are; LS_ASSETS is the folder that they lie in. */
#include "serve/assets.h"

#include <string.h>

#include "base/hash.h"

#ifndef LS_ASSETS /* for tools that look at this file alone */
#define LS_ASSETS "src/serve"
#endif

#define HTML "text/html; charset=utf-8"
#define CSS "text/css; charset=utf-8"
#define JS "text/javascript; charset=utf-8"
#define SVG "image/svg+xml"

/* Symbol, name and type of each file in ui/. local.mk lists them as well. */
#define UI(FILE)                                                                                                       \
    FILE(ui_index_html, "index.html", HTML)                                                                            \
    FILE(ui_style_css, "style.css", CSS)                                                                               \
    FILE(ui_icon_svg, "icon.svg", SVG)                                                                                 \
    FILE(ui_alerts_js, "alerts.js", JS)                                                                                \
    FILE(ui_api_js, "api.js", JS)                                                                                      \
    FILE(ui_app_js, "app.js", JS)                                                                                      \
    FILE(ui_chart_js, "chart.js", JS)                                                                                  \
    FILE(ui_check_js, "check.js", JS)                                                                                  \
    FILE(ui_dialog_js, "dialog.js", JS)                                                                                \
    FILE(ui_dom_js, "dom.js", JS)                                                                                      \
    FILE(ui_finding_list_js, "finding_list.js", JS)                                                                    \
    FILE(ui_format_js, "format.js", JS)                                                                                \
    FILE(ui_jobs_js, "jobs.js", JS)                                                                                    \
    FILE(ui_list_js, "list.js", JS)                                                                                    \
    FILE(ui_mend_js, "mend.js", JS)                                                                                    \
    FILE(ui_session_js, "session.js", JS)                                                                              \
    FILE(ui_sync_js, "sync.js", JS)                                                                                    \
    FILE(ui_text_js, "text.js", JS)                                                                                    \
    FILE(ui_thumb_js, "thumb.js", JS)                                                                                  \
    FILE(ui_undo_js, "undo.js", JS)                                                                                    \
    FILE(ui_view_audit_js, "view_audit.js", JS)                                                                        \
    FILE(ui_view_events_js, "view_events.js", JS)                                                                      \
    FILE(ui_view_findings_js, "view_findings.js", JS)                                                                  \
    FILE(ui_view_history_js, "view_history.js", JS)                                                                    \
    FILE(ui_view_journal_js, "view_journal.js", JS)                                                                    \
    FILE(ui_view_overview_js, "view_overview.js", JS)                                                                  \
    FILE(ui_view_product_js, "view_product.js", JS)                                                                    \
    FILE(ui_view_products_js, "view_products.js", JS)                                                                  \
    FILE(ui_view_signin_js, "view_signin.js", JS)                                                                      \
    FILE(ui_view_trash_js, "view_trash.js", JS)                                                                        \
    FILE(ui_views_js, "views.js", JS)

#define TAKE_IN(symbol, file)                                                                                          \
    __asm__(".pushsection .rodata\n"                                                                                   \
            ".balign 8\n"                                                                                              \
            ".global ls_" #symbol "_len\n"                                                                             \
            ".type ls_" #symbol "_len, %object\n"                                                                      \
            "ls_" #symbol "_len:\n"                                                                                    \
            ".8byte ls_" #symbol "_end - ls_" #symbol "\n"                                                             \
            ".global ls_" #symbol "\n"                                                                                 \
            ".type ls_" #symbol ", %object\n"                                                                          \
            "ls_" #symbol ":\n"                                                                                        \
            ".incbin \"" LS_ASSETS "/" file "\"\n"                                                                     \
            "ls_" #symbol "_end:\n"                                                                                    \
            ".byte 0\n"                                                                                                \
            ".popsection\n");                                                                                          \
    extern const char ls_##symbol[];                                                                                   \
    extern const uint64_t ls_##symbol##_len;
#define TAKE_IN_UI(symbol, name, type) TAKE_IN(symbol, "ui/" name)
#define ENTRY(symbol, name, type) {name, type, ls_##symbol, &ls_##symbol##_len},

TAKE_IN(openapi_yaml, "openapi.yaml")
UI(TAKE_IN_UI)

const struct ls_asset ls_asset_openapi = {"openapi.yaml", "application/yaml", ls_openapi_yaml, &ls_openapi_yaml_len};
const struct ls_asset ls_ui_assets[] = {UI(ENTRY)};
const size_t ls_ui_assets_count = sizeof ls_ui_assets / sizeof *ls_ui_assets;

const struct ls_asset *ls_ui_asset_find(const char *name)
{
    for (size_t i = 0; i < ls_ui_assets_count; i++)
        if (strcmp(ls_ui_assets[i].name, name) == 0)
            return &ls_ui_assets[i];
    return NULL;
}

void ls_asset_etag(const struct ls_asset *asset, char out[LS_ASSET_ETAG_MAX])
{
    uint8_t digest[LS_SHA256_LEN];
    ls_sha256(asset->data, (size_t)*asset->len, digest);
    ls_hex(digest, (LS_ASSET_ETAG_MAX - 1) / 2, out);
}
