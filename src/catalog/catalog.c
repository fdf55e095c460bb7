/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is the same for every catalog: closing, the end of a transaction, the one-row read, freeing of pages, and the
 * words for operations.
 */
#include "lockstep/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/arena.h"
#include "catalog/words.h"

void ls_catalog_close(struct ls_catalog *cat)
{
    if (cat)
        cat->ops->close(cat);
}

enum ls_rc ls_catalog_end(struct ls_tx *tx, enum ls_rc rc, struct ls_err *err)
{
    const struct ls_catalog_ops *ops = tx->cat->ops;
    if (rc == LS_OK)
        return ops->commit(tx, err);
    ops->rollback(tx);
    return rc;
}

enum ls_rc ls_catalog_image_get(struct ls_catalog *cat, struct ls_tx *tx, const char *key, struct ls_image_page *out,
                                struct ls_err *err)
{
    enum ls_rc rc = cat->ops->images_get(cat, tx, &key, 1, out, err);
    if (rc == LS_OK && out->n == 0) {
        ls_image_page_dispose(out);
        return ls_err_set(err, LS_NOT_FOUND, "catalog: no image row for %s", key);
    }
    return rc;
}

/* Pages with strings: the items and the arena that the strings lie in. */
#define DEFINE_PAGE_DISPOSE(name, field)                                                                               \
    void ls_##name##_page_dispose(struct ls_##name##_page *page)                                                       \
    {                                                                                                                  \
        free(page->field);                                                                                             \
        ls_arena_free(page->memory);                                                                                   \
        memset(page, 0, sizeof *page);                                                                                 \
    }

/* Pages whose items hold everything. */
#define DEFINE_FLAT_PAGE_DISPOSE(name)                                                                                 \
    void ls_##name##_page_dispose(struct ls_##name##_page *page)                                                       \
    {                                                                                                                  \
        free(page->items);                                                                                             \
        memset(page, 0, sizeof *page);                                                                                 \
    }

DEFINE_PAGE_DISPOSE(image, items)
DEFINE_PAGE_DISPOSE(name, names)
DEFINE_PAGE_DISPOSE(intent_item, items)
DEFINE_PAGE_DISPOSE(audit, items)
DEFINE_PAGE_DISPOSE(trash, items)
DEFINE_PAGE_DISPOSE(event, items)
DEFINE_PAGE_DISPOSE(change, items)
DEFINE_PAGE_DISPOSE(scan_range, items)
DEFINE_PAGE_DISPOSE(table, items)
DEFINE_PAGE_DISPOSE(scan_finding, items)
DEFINE_FLAT_PAGE_DISPOSE(variant)
DEFINE_FLAT_PAGE_DISPOSE(folder)
DEFINE_FLAT_PAGE_DISPOSE(intent)
DEFINE_FLAT_PAGE_DISPOSE(instance)

static const char *const op_names[] = {
    [LS_OP_PUT] = "put",         [LS_OP_REMOVE] = "remove",   [LS_OP_RENAME] = "rename", [LS_OP_ADOPT] = "adopt",
    [LS_OP_DISCARD] = "discard", [LS_OP_RESTORE] = "restore", [LS_OP_PURGE] = "purge",   [LS_OP_CATALOG] = "catalog",
};
static const char *const action_names[] = {
    [LS_ACTION_PUT] = "put",
    [LS_ACTION_COPY] = "copy",
    [LS_ACTION_DELETE] = "delete",
    [LS_ACTION_TRASH] = "trash",
};
static const char *const state_names[] = {
    [LS_INTENT_OPEN] = "open",
    [LS_INTENT_COMMITTED] = "committed",
};

static const char *const findings_names[] = {
    [LS_SCAN_FINDINGS_NONE] = "none",
    [LS_SCAN_FINDINGS_WRITING] = "writing",
    [LS_SCAN_FINDINGS_KEPT] = "kept",
    [LS_SCAN_FINDINGS_GOING] = "going",
};
static const char *const range_state_names[] = {
    [LS_RANGE_FREE] = "free",
    [LS_RANGE_TAKEN] = "taken",
    [LS_RANGE_DONE] = "done",
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *word(const char *const *names, size_t count, unsigned value)
{
    return value < count && names[value] ? names[value] : "?";
}

/* 0 when the text is none of the words. */
static unsigned value_of(const char *const *names, size_t count, const char *text)
{
    for (unsigned i = 1; i < count; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return 0;
}

const char *ls_op_name(enum ls_op op) { return word(op_names, COUNT(op_names), op); }
const char *ls_action_name(enum ls_action action) { return word(action_names, COUNT(action_names), action); }
const char *ls_intent_state_name(enum ls_intent_state state) { return word(state_names, COUNT(state_names), state); }
const char *ls_scan_findings_name(enum ls_scan_findings findings)
{
    return word(findings_names, COUNT(findings_names), findings ? findings : LS_SCAN_FINDINGS_NONE);
}
const char *ls_range_state_name(enum ls_range_state state)
{
    return word(range_state_names, COUNT(range_state_names), state);
}

enum ls_op ls_op_parse(const char *text) { return (enum ls_op)value_of(op_names, COUNT(op_names), text); }
enum ls_action ls_action_parse(const char *text)
{
    return (enum ls_action)value_of(action_names, COUNT(action_names), text);
}
enum ls_intent_state ls_intent_state_parse(const char *text)
{
    return (enum ls_intent_state)value_of(state_names, COUNT(state_names), text);
}
enum ls_scan_findings ls_scan_findings_parse(const char *text)
{
    return (enum ls_scan_findings)value_of(findings_names, COUNT(findings_names), text);
}
enum ls_range_state ls_range_state_parse(const char *text)
{
    return (enum ls_range_state)value_of(range_state_names, COUNT(range_state_names), text);
}
