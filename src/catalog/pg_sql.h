/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of the statements that the PostgreSQL back end prepares; their text stands in pg_sql.c.
 */
#ifndef LOCKSTEP_CATALOG_PG_SQL_H
#define LOCKSTEP_CATALOG_PG_SQL_H

#include <stdbool.h>

enum ls_pg_sql {
    LS_PG_NONE, /* nothing is sent */
    LS_PG_BEGIN,
    LS_PG_WRITER_LOCK,
    LS_PG_WRITER_SET,
    LS_PG_RELAX,
    LS_PG_COMMIT,
    LS_PG_ROLLBACK,
    LS_PG_SAVEPOINT,
    LS_PG_SAVEPOINT_KEEP,
    LS_PG_SAVEPOINT_BACK,

    LS_PG_RESOLVE,

    LS_PG_IMAGES_GET,
    LS_PG_IMAGE_PAGE,
    LS_PG_IMAGE_RANGE,
    LS_PG_IMAGE_RANGE_BYTES,
    LS_PG_VARIANT_IMAGES,
    LS_PG_IMAGE_COUNT,
    LS_PG_IMAGE_ESTIMATE,
    LS_PG_IMAGE_SPLITS,
    LS_PG_IMAGE_ETAG,
    LS_PG_IMAGE_INSERT,
    LS_PG_IMAGE_UPDATE,
    LS_PG_IMAGE_DELETE,
    LS_PG_IMAGE_ATTR,
    LS_PG_OBJECT_PUT,
    LS_PG_OBJECT_SET,
    LS_PG_OBJECT_FORGET,

    LS_PG_PRODUCT_PAGE,
    LS_PG_PRODUCT_COUNT,
    LS_PG_PRODUCT_EXISTS,
    LS_PG_PRODUCT_INSERT,
    LS_PG_PRODUCT_DELETE,
    LS_PG_PRODUCT_RENAME,
    LS_PG_VARIANT_LIST,
    LS_PG_VARIANT_GET,
    LS_PG_VARIANT_EXISTS,
    LS_PG_VARIANT_INSERT,
    LS_PG_VARIANT_UPDATE,
    LS_PG_VARIANT_DELETE,

    LS_PG_FOLDER_GET,
    LS_PG_FOLDER_CHILDREN,
    LS_PG_FOLDER_PUT,
    LS_PG_FOLDER_DELETE,
    LS_PG_FOLDER_CLEAR,
    LS_PG_FOLDER_MOVE,

    LS_PG_CHANGE_LAST,
    LS_PG_CHANGE_PAGE,

    LS_PG_INTENT_INSERT,
    LS_PG_INTENT_COMMIT,
    LS_PG_INTENT_TAKE,
    LS_PG_INTENT_DELETE,
    LS_PG_INTENT_GET,
    LS_PG_INTENT_LIST,
    LS_PG_ITEM_INSERT,
    LS_PG_ITEM_SET,
    LS_PG_ITEM_PAGE,
    LS_PG_ITEM_COUNT,
    LS_PG_CLAIM_INSERT,
    LS_PG_CLAIM_OVERLAP,
    LS_PG_CLAIM_COVER,

    LS_PG_INSTANCE_INSERT,
    LS_PG_INSTANCE_AGAIN,
    LS_PG_INSTANCE_LOCK,
    LS_PG_INSTANCE_EVICT,
    LS_PG_INSTANCE_HEAR,
    LS_PG_INSTANCE_UNLOCK,
    LS_PG_INSTANCE_GET,
    LS_PG_INSTANCE_LIST,
    LS_PG_INSTANCE_DELETE_IDLE,
    LS_PG_INSTANCE_FORGET_DEAD,
    LS_PG_ROLE_LOCK,
    LS_PG_ROLE_UNLOCK,

    LS_PG_AUDIT_INSERT,
    LS_PG_AUDIT_PAGE,
    LS_PG_TRASH_INSERT,
    LS_PG_TRASH_DELETE,
    LS_PG_TRASH_PAGE,
    LS_PG_EVENT_INSERT,
    LS_PG_EVENT_PAGE,
    LS_PG_EVENT_COUNT,
    LS_PG_EVENT_DELETE,
    LS_PG_SCAN_INSERT,
    LS_PG_SCAN_UPDATE,
    LS_PG_SCAN_GET,
    LS_PG_SCAN_WHOLE,
    LS_PG_SCAN_RUNNING,
    LS_PG_SCAN_BURY,
    LS_PG_SCAN_OUTDATE,
    LS_PG_SCAN_GOING,
    LS_PG_SCAN_GONE,
    LS_PG_SCAN_FORGET,
    LS_PG_RANGE_INSERT,
    LS_PG_RANGE_LIST,
    LS_PG_RANGE_TAKE,
    LS_PG_RANGE_TAKE_OVER,
    LS_PG_RANGE_SET,
    LS_PG_RANGE_BEAT,
    LS_PG_RANGE_DELETE,
    LS_PG_FINDING_PUT,
    LS_PG_FINDING_DELETE,
    LS_PG_FINDING_FORGET,
    LS_PG_FINDING_GET,
    LS_PG_FINDING_PAGE,
    LS_PG_TALLY_PUT,
    LS_PG_TALLY_FORGET,
    LS_PG_TABLE_UP,
    LS_PG_TABLE_DOWN,
    LS_PG_TABLE_RANKED,
    LS_PG_TABLE_REST,
    LS_PG_META_GET,
    LS_PG_META_SET,
    LS_PG_META_DELETE,
    LS_PG_COUNT
};

struct ls_pg_statement {
    const char *what; /* for error texts: "insert an image row" */
    const char *text; /* a template over the mapping */
    bool plain;       /* sent as it is: it cannot be prepared, or is not worth it */
};
extern const struct ls_pg_statement ls_pg_statements[LS_PG_COUNT];

/* Advisory locks, each in the database that the catalog lies in: one for whoever writes, and classes of them (two-part
 * keys) for the instances that live and the roles that one process has. Arbitrary numbers that no other program is
 * likely to use. */
#define LS_PG_LOCK_WRITER "7811887424101737328"
#define LS_PG_LOCK_SCHEMA "7811887424101737329"
#define LS_PG_LOCK_CLASS "1819239275"
#define LS_PG_LOCK_ROLES "1819239276"

#endif
