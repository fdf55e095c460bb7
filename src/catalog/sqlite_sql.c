/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The statements. Parameters are numbered by use: ls_query_text and ls_query_int bind them in order.
 *
 * Plans: whatever runs on tables that grow walks an index in its own order (no sort, no scan of a table); the test of
 * this file asks EXPLAIN QUERY PLAN about each of them.
 */
#include "catalog/sqlite_sql.h"

/* Columns as image_from_row in sqlite_image.c reads them. */
#define IMAGE_SELECT                                                                                                   \
    "SELECT i.file_name, i.product_id, i.variant_weight, i.image_type, i.image_url, i.variant_id, i.created_at, "      \
    "i.updated_at, v.product_id, v.weight, o.size, o.etag, o.mtime_ns, o.mode, o.uid, o.gid, o.content_type "          \
    "FROM product_image i LEFT JOIN lockstep_object o ON o.key = i.file_name "                                         \
    "LEFT JOIN product_variant v ON v.id = i.variant_id "

#define VARIANT_SELECT "SELECT id, product_id, weight, is_active, created_at, updated_at FROM product_variant "

#define INTENT_SELECT "SELECT id, instance, op, state, created_ns, args FROM lockstep_intent "

#define SCAN_COLUMNS                                                                                                   \
    "started_ns, ended_ns, complete, scope, images, synced, orphaned, missing, stale, moved, misfiled, misplaced, "    \
    "pending, errors, products, twins, objects_seen, rows_seen, unannounced, shared, findings, instance, options"
#define RANGE_COLUMNS                                                                                                  \
    "scan, number, prefix, after_key, last_key, state, instance, turn, beat, store_incomplete, catalog_incomplete, "   \
    "synced, objects_seen, rows_seen, errors, messages"

/* A key starts with a prefix, by bytes: ?N+1 is the prefix's length. */
#define HAS_PREFIX(key, prefix, length) "substr(CAST(" key " AS BLOB), 1, " length ") = CAST(" prefix " AS BLOB) "

/* Columns as read_finding in sqlite_scan.c reads them. */
#define FINDING_COLUMNS "key, kind, flags, twin, partner, row_etag, row_size, object_etag, object_size, detail"

/* A page of the table of products. ?1 scan, ?2 search, ?3 prefix, ?4 after, ?5 limit, ?6 rank. The smallest names of
 * both sides together are among the smallest of each. */
#define TABLE_PAGE(order, pages)                                                                                       \
    "SELECT g.product, (SELECT count(*) FROM product_variant v WHERE v.product_id = g.product), "                      \
    "(SELECT count(*) FROM product_image i WHERE i.file_name > ?3 || g.product || '/' "                                \
    "AND i.file_name < ?3 || g.product || '0'), f.orphaned, f.missing, f.stale, f.moved, f.misfiled, f.misplaced, "    \
    "f.pending FROM (" pages ") g LEFT JOIN lockstep_tally f ON f.scan = ?1 AND f.product = g.product ORDER BY " order
#define TABLE_SOUGHT(name) "(?2 = '' OR instr(lower(" name "), lower(?2)) > 0) "
#define TABLE_BOTH(order, of_products, of_tally)                                                                       \
    "SELECT product FROM (SELECT id AS product FROM product p WHERE " of_products                                      \
    " AND " TABLE_SOUGHT("id") "ORDER BY id " order                                                                    \
                               " LIMIT ?5) UNION SELECT product FROM (SELECT product FROM lockstep_tally "             \
                               "WHERE scan = ?1 AND " of_tally                                                         \
                               " AND " TABLE_SOUGHT("product") "ORDER BY product " order " LIMIT ?5) "                 \
                                                               "ORDER BY product " order " LIMIT ?5"

const struct ls_sqlite_sql ls_sqlite_sql[LS_SQL_COUNT] = {
    [LS_SQL_BEGIN_READ] = {"begin to read", "BEGIN"},
    [LS_SQL_BEGIN_WRITE] = {"begin a transaction", "BEGIN IMMEDIATE"},
    [LS_SQL_COMMIT] = {"commit", "COMMIT"},
    [LS_SQL_ROLLBACK] = {"roll back", "ROLLBACK"},
    [LS_SQL_WRITER_SET] = {"name the writer", "UPDATE lockstep_meta SET value = ?1 WHERE name = 'writer'"},
    [LS_SQL_SETTLE] = {"settle an unknown outcome", "INSERT INTO lockstep_meta (name, value) VALUES ('settled', ?1) "
                                                    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"},

    /* ---- images ---- */
    [LS_SQL_IMAGE_GET] = {"read an image row", IMAGE_SELECT "WHERE i.file_name = ?1"},
    [LS_SQL_IMAGE_PAGE] = {"read image rows", IMAGE_SELECT "WHERE i.file_name > ?1 ORDER BY i.file_name LIMIT ?2"},
    [LS_SQL_IMAGE_RANGE] = {"read image rows",
                            IMAGE_SELECT "WHERE i.file_name > ?1 AND i.file_name < ?2 ORDER BY i.file_name LIMIT ?3"},
    [LS_SQL_VARIANT_IMAGES] = {"read a variant's image rows", IMAGE_SELECT
                               "WHERE i.variant_id = ?1 AND i.file_name > ?2 ORDER BY i.file_name LIMIT ?3"},
    [LS_SQL_IMAGE_COUNT] = {"count image rows",
                            "SELECT count(*) FROM product_image WHERE file_name > ?1 AND file_name < ?2"},
    [LS_SQL_IMAGE_BYTES] = {"add up the recorded sizes",
                            "SELECT coalesce(sum(size), 0) FROM lockstep_object WHERE key > ?1 AND key < ?2"},
    [LS_SQL_IMAGE_ID_FIRST] = {"find the oldest image row", "SELECT min(id) FROM product_image"},
    [LS_SQL_IMAGE_ID_LAST] = {"find the newest image row", "SELECT max(id) FROM product_image"},
    [LS_SQL_IMAGE_KEY_AT_ID] = {"sample image rows",
                                "SELECT file_name FROM product_image WHERE id >= ?1 ORDER BY id LIMIT 1"},
    [LS_SQL_IMAGE_KEYS] = {"read the keys", "SELECT file_name FROM product_image WHERE file_name > ?1 "
                                            "ORDER BY file_name"},
    [LS_SQL_IMAGE_ETAG] = {"read an image row", "SELECT o.etag FROM product_image i LEFT JOIN lockstep_object o "
                                                "ON o.key = i.file_name WHERE i.file_name = ?1"},
    [LS_SQL_IMAGE_INSERT] =
        {"insert an image row",
         "INSERT INTO product_image (file_name, product_id, variant_id, variant_weight, image_type, "
         "image_url, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"},
    [LS_SQL_IMAGE_UPDATE] = {"change an image row",
                             "UPDATE product_image SET file_name = ?1, product_id = ?2, variant_id = ?3, "
                             "variant_weight = ?4, image_type = ?5, image_url = ?6, updated_at = ?7 "
                             "WHERE file_name = ?8"},
    [LS_SQL_IMAGE_DELETE] = {"delete an image row", "DELETE FROM product_image WHERE file_name = ?1"},
    [LS_SQL_IMAGE_TOUCH] = {"change an image row", "UPDATE product_image SET updated_at = ?1 WHERE file_name = ?2"},
    [LS_SQL_OBJECT_PUT] = {"record an object",
                           "INSERT INTO lockstep_object (key, size, etag, mtime_ns, mode, uid, gid, content_type) "
                           "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (key) DO UPDATE SET "
                           "size = excluded.size, etag = excluded.etag, mtime_ns = excluded.mtime_ns, "
                           "mode = excluded.mode, uid = excluded.uid, gid = excluded.gid, "
                           "content_type = excluded.content_type"},
    [LS_SQL_OBJECT_DELETE] = {"forget an object", "DELETE FROM lockstep_object WHERE key = ?1"},
    /* NULL keeps what is there. */
    [LS_SQL_OBJECT_ATTR] = {"record attributes",
                            "UPDATE lockstep_object SET mode = coalesce(?1, mode), uid = coalesce(?2, uid), "
                            "gid = coalesce(?3, gid), mtime_ns = coalesce(?4, mtime_ns) WHERE key = ?5"},

    /* ---- products and variants ---- */
    [LS_SQL_PRODUCT_PAGE] = {"read products", "SELECT id FROM product WHERE id > ?1 ORDER BY id LIMIT ?2"},
    [LS_SQL_PRODUCT_COUNT] = {"count products", "SELECT count(*) FROM product"},
    [LS_SQL_PRODUCT_EXISTS] = {"look for a product", "SELECT 1 FROM product WHERE id = ?1"},
    [LS_SQL_PRODUCT_INSERT] = {"insert a product", "INSERT INTO product (id, created_at) VALUES (?1, ?2)"},
    [LS_SQL_PRODUCT_DELETE] = {"delete a product", "DELETE FROM product WHERE id = ?1"},
    [LS_SQL_PRODUCT_RENAME] = {"rename a product", "UPDATE product SET id = ?1 WHERE id = ?2"},
    [LS_SQL_VARIANT_LIST] = {"read variants", VARIANT_SELECT "WHERE product_id = ?1 ORDER BY weight"},
    [LS_SQL_VARIANT_GET] = {"read a variant", VARIANT_SELECT "WHERE product_id = ?1 AND weight = ?2"},
    [LS_SQL_VARIANT_INSERT] = {"insert a variant",
                               "INSERT INTO product_variant (product_id, weight, is_active, created_at, updated_at) "
                               "VALUES (?1, ?2, 1, ?3, ?3)"},
    [LS_SQL_VARIANT_UPDATE] = {"change a variant", "UPDATE product_variant SET product_id = ?1, weight = ?2, "
                                                   "is_active = ?3, updated_at = ?4 WHERE id = ?5"},
    [LS_SQL_VARIANT_DELETE] = {"delete a variant", "DELETE FROM product_variant WHERE id = ?1"},

    /* ---- folders ---- */
    [LS_SQL_FOLDER_GET] = {"read a folder's attributes",
                           "SELECT path, mode, uid, gid, mtime_ns FROM lockstep_folder WHERE path = ?1"},
    [LS_SQL_FOLDER_FROM] = {"read folders", "SELECT path, mode, uid, gid, mtime_ns FROM lockstep_folder "
                                            "WHERE path >= ?1 AND path < ?2 ORDER BY path"},
    [LS_SQL_FOLDER_PUT] = {"record a folder's attributes",
                           "INSERT INTO lockstep_folder (path, mode, uid, gid, mtime_ns) VALUES (?1, ?2, ?3, ?4, ?5) "
                           "ON CONFLICT (path) DO UPDATE SET mode = excluded.mode, uid = excluded.uid, "
                           "gid = excluded.gid, mtime_ns = excluded.mtime_ns"},
    [LS_SQL_FOLDER_DELETE] = {"forget a folder", "DELETE FROM lockstep_folder WHERE path = ?1"},
    [LS_SQL_FOLDER_DELETE_BELOW] = {"forget folders", "DELETE FROM lockstep_folder WHERE path >= ?1 AND path < ?2"},
    [LS_SQL_FOLDER_MOVE] = {"move a folder", "UPDATE OR REPLACE lockstep_folder SET path = ?1 WHERE path = ?2"},
    /* By bytes, because substr of text counts characters. */
    [LS_SQL_FOLDER_MOVE_BELOW] = {"move folders",
                                  "UPDATE OR REPLACE lockstep_folder "
                                  "SET path = CAST(CAST(?1 AS BLOB) || substr(CAST(path AS BLOB), ?2) AS TEXT) "
                                  "WHERE path >= ?3 AND path < ?4"},

    /* ---- the change feed ---- */
    [LS_SQL_CHANGE_LAST] = {"read the newest change number", "SELECT max(seq) FROM lockstep_change"},
    [LS_SQL_CHANGE_FIRST] = {"read the oldest change number", "SELECT min(seq) FROM lockstep_change"},
    [LS_SQL_CHANGE_PAGE] = {"read changes", "SELECT seq, kind, action, key, new_key, writer, etag FROM lockstep_change "
                                            "WHERE seq > ?1 ORDER BY seq LIMIT ?2"},

    /* ---- the journal ---- */
    [LS_SQL_INTENT_INSERT] = {"write an intent",
                              "INSERT INTO lockstep_intent (id, instance, op, state, created_ns, args) "
                              "VALUES (?1, ?2, ?3, ?4, ?5, ?6)"},
    [LS_SQL_INTENT_COMMIT] = {"commit an intent", "UPDATE lockstep_intent SET state = 'committed' "
                                                  "WHERE id = ?1 AND instance = ?2 AND state = 'open'"},
    [LS_SQL_INTENT_TAKE] = {"take over an intent",
                            "UPDATE lockstep_intent SET instance = ?1 WHERE id = ?2 AND instance = ?3"},
    [LS_SQL_INTENT_DELETE] = {"close an intent", "DELETE FROM lockstep_intent WHERE id = ?1 AND instance = ?2"},
    [LS_SQL_INTENT_GET] = {"read an intent", INTENT_SELECT "WHERE id = ?1"},
    [LS_SQL_INTENT_LIST] = {"read the open intents", INTENT_SELECT "ORDER BY id"},
    [LS_SQL_ITEM_INSERT] = {"write an intent's item",
                            "INSERT INTO lockstep_intent_item (intent, seq, action, key, dest, old_etag, new_etag, "
                            "dest_etag, size, row, done) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"},
    [LS_SQL_ITEM_SET] = {"mark an intent's item", "UPDATE lockstep_intent_item SET new_etag = ?1, dest_etag = ?2, "
                                                  "done = ?3 WHERE intent = ?4 AND seq = ?5"},
    [LS_SQL_ITEM_PAGE] = {"read an intent's items",
                          "SELECT seq, action, key, dest, old_etag, new_etag, dest_etag, size, row, done "
                          "FROM lockstep_intent_item WHERE intent = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"},
    [LS_SQL_ITEM_COUNT] = {"count an intent's items", "SELECT count(*) FROM lockstep_intent_item WHERE intent = ?1"},
    [LS_SQL_CLAIM_INSERT] = {"claim a path", "INSERT INTO lockstep_claim (path, subtree, intent) VALUES (?1, ?2, ?3) "
                                             "ON CONFLICT DO NOTHING"},
    [LS_SQL_CLAIM_ANY] = {"look for claims", "SELECT 1 FROM lockstep_claim LIMIT 1"},
    [LS_SQL_CLAIM_AT] = {"look for claims", "SELECT intent FROM lockstep_claim WHERE path = ?1 LIMIT 1"},
    [LS_SQL_CLAIM_SUBTREE_AT] = {"look for claims",
                                 "SELECT intent FROM lockstep_claim WHERE path = ?1 AND subtree = 1 LIMIT 1"},
    [LS_SQL_CLAIM_BELOW] = {"look for claims",
                            "SELECT intent, path FROM lockstep_claim WHERE path >= ?1 AND path < ?2 LIMIT 1"},

    /* ---- instances ---- */
    [LS_SQL_INSTANCE_INSERT] = {"register this process",
                                "INSERT INTO lockstep_instance (id, kind, host, pid, started_ns) "
                                "VALUES (?1, ?2, ?3, ?4, ?5)"},
    [LS_SQL_INSTANCE_NUMBER] = {"look for an instance", "SELECT number FROM lockstep_instance WHERE id = ?1"},
    [LS_SQL_INSTANCE_LIST] = {"read the instances",
                              "SELECT number, id, kind, host, pid, started_ns FROM lockstep_instance ORDER BY number"},
    [LS_SQL_INSTANCE_DELETE_IDLE] = {"forget an instance",
                                     "DELETE FROM lockstep_instance WHERE id = ?1 "
                                     "AND NOT EXISTS (SELECT 1 FROM lockstep_intent WHERE instance = ?1)"},

    /* ---- audit trail, trash, scans, settings ---- */
    [LS_SQL_AUDIT_INSERT] = {"write the audit trail",
                             "INSERT INTO lockstep_audit (at_ns, intent, op, actor, key, dest, outcome, detail) "
                             "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"},
    [LS_SQL_AUDIT_PAGE] = {"read the audit trail",
                           "SELECT seq, at_ns, intent, op, actor, key, dest, outcome, detail FROM lockstep_audit "
                           "WHERE seq < ?1 AND " HAS_PREFIX("key", "?2", "?3") "ORDER BY seq DESC LIMIT ?4"},
    [LS_SQL_TRASH_INSERT] = {"list an object in the trash",
                             "INSERT INTO lockstep_trash (id, key, trash_key, etag, size, reason, row, at_ns) "
                             "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"},
    [LS_SQL_TRASH_DELETE] = {"take an object off the trash", "DELETE FROM lockstep_trash WHERE id = ?1"},
    [LS_SQL_TRASH_PAGE] = {"read the trash",
                           "SELECT id, key, trash_key, etag, size, reason, row, at_ns FROM lockstep_trash "
                           "WHERE id > ?1 AND " HAS_PREFIX("key", "?2", "?3") "ORDER BY id LIMIT ?4"},
    [LS_SQL_EVENT_INSERT] = {"keep an event", "INSERT INTO lockstep_event (at_ns, kind, key, etag, sequencer) "
                                              "VALUES (?1, ?2, ?3, ?4, ?5)"},
    [LS_SQL_EVENT_PAGE] = {"read the events", "SELECT seq, at_ns, kind, key, etag, sequencer FROM lockstep_event "
                                              "WHERE seq > ?1 ORDER BY seq LIMIT ?2"},
    [LS_SQL_EVENT_COUNT] = {"count the events", "SELECT count(*) FROM lockstep_event"},
    [LS_SQL_EVENT_DELETE] = {"forget an event", "DELETE FROM lockstep_event WHERE seq = ?1"},
    [LS_SQL_SCAN_INSERT] = {"record a scan",
                            "INSERT INTO lockstep_scan (" SCAN_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
                            "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)"},
    [LS_SQL_SCAN_UPDATE] = {"record a scan",
                            "UPDATE lockstep_scan SET (" SCAN_COLUMNS ") = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
                            "?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23) WHERE id = ?24"},
    [LS_SQL_SCAN_GET] = {"read the scans", "SELECT id, " SCAN_COLUMNS " FROM lockstep_scan WHERE id < ?1 "
                                           "ORDER BY id DESC LIMIT 1"},
    [LS_SQL_SCAN_WHOLE] = {"read the scans",
                           "SELECT id, " SCAN_COLUMNS " FROM lockstep_scan WHERE scope = '' "
                           "AND (?1 = 0 OR (complete = 1 AND ended_ns > 0)) AND (?1 < 2 OR findings = 'kept') "
                           "ORDER BY id DESC LIMIT 1"},
    [LS_SQL_SCAN_RUNNING] = {"look for a shared scan",
                             "SELECT id, " SCAN_COLUMNS " FROM lockstep_scan WHERE findings = 'writing' AND shared = 1 "
                             "AND ended_ns = 0 ORDER BY id DESC LIMIT 1"},
    [LS_SQL_SCAN_BURY] = {"end the scans of dead processes",
                          "UPDATE lockstep_scan SET findings = 'going', "
                          "ended_ns = CASE WHEN ended_ns = 0 THEN ?1 ELSE ended_ns END "
                          "WHERE findings = 'writing' AND shared = 0 AND NOT EXISTS "
                          "(SELECT 1 FROM lockstep_instance i WHERE i.id = lockstep_scan.instance)"},
    [LS_SQL_SCAN_OUTDATE] = {"let go of old findings",
                             "UPDATE lockstep_scan SET findings = 'going' WHERE findings = 'kept' AND ("
                             "SELECT count(*) FROM lockstep_scan n WHERE n.findings = 'kept' "
                             "AND n.id > lockstep_scan.id AND n.complete = lockstep_scan.complete "
                             "AND (n.scope = '') = (lockstep_scan.scope = '')) >= 2"},
    [LS_SQL_SCAN_GOING] = {"look for old findings",
                           "SELECT id FROM lockstep_scan WHERE findings = 'going' ORDER BY id LIMIT 1"},
    [LS_SQL_SCAN_GONE] = {"let go of old findings", "UPDATE lockstep_scan SET findings = 'none' WHERE id = ?1"},
    [LS_SQL_SCAN_FORGET] = {"forget old scans",
                            "DELETE FROM lockstep_scan WHERE id <= (SELECT max(id) FROM lockstep_scan) - 10000"},
    [LS_SQL_RANGE_INSERT] = {"write a scan's range",
                             "INSERT INTO lockstep_scan_range (" RANGE_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
                             "?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"},
    [LS_SQL_RANGE_LIST] = {"read a scan's ranges",
                           "SELECT " RANGE_COLUMNS " FROM lockstep_scan_range WHERE scan = ?1 ORDER BY number"},
    [LS_SQL_RANGE_TAKE] = {"take a range",
                           "UPDATE lockstep_scan_range SET state = 'taken', instance = ?1, turn = turn + 1, "
                           "beat = beat + 1 WHERE scan = ?2 AND number = ("
                           "SELECT f.number FROM lockstep_scan_range f WHERE f.scan = ?2 AND f.state = 'free' "
                           "AND (f.number > 0 OR NOT EXISTS (SELECT 1 FROM lockstep_scan_range o "
                           "WHERE o.scan = ?2 AND o.number > 0 AND o.state <> 'done')) ORDER BY f.number LIMIT 1) "
                           "RETURNING number, turn"},
    [LS_SQL_RANGE_TAKE_OVER] = {"take over a range",
                                "UPDATE lockstep_scan_range SET instance = ?1, turn = turn + 1, beat = beat + 1 "
                                "WHERE scan = ?2 AND number = ?3 AND turn = ?4 AND state = 'taken'"},
    [LS_SQL_RANGE_SET] = {"record a range",
                          "UPDATE lockstep_scan_range SET state = ?1, store_incomplete = ?2, catalog_incomplete = ?3, "
                          "synced = ?4, objects_seen = ?5, rows_seen = ?6, errors = ?7, messages = ?8, beat = beat + 1 "
                          "WHERE scan = ?9 AND number = ?10 AND instance = ?11 AND turn = ?12 AND state = 'taken'"},
    [LS_SQL_RANGE_BEAT] = {"show that this process lives", "UPDATE lockstep_scan_range SET beat = beat + 1 "
                                                           "WHERE scan = ?1 AND instance = ?2 AND state = 'taken'"},
    [LS_SQL_RANGE_DELETE] = {"forget a scan's ranges", "DELETE FROM lockstep_scan_range WHERE scan = ?1"},
    [LS_SQL_FINDING_PUT] = {"record a finding",
                            "INSERT OR REPLACE INTO lockstep_finding (scan, key, kind, flags, twin, partner, row_etag, "
                            "row_size, object_etag, object_size, detail) "
                            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"},
    [LS_SQL_FINDING_DELETE] =
        {"forget findings", "DELETE FROM lockstep_finding WHERE scan = ?1 AND key > ?2 AND (?3 IS NULL OR key <= ?3) "
                            "AND (?4 IS NULL OR kind = ?4)"},
    [LS_SQL_FINDING_FORGET] = {"forget findings",
                               "DELETE FROM lockstep_finding WHERE scan = ?1 AND key IN "
                               "(SELECT key FROM lockstep_finding WHERE scan = ?1 ORDER BY key LIMIT ?2)"},
    [LS_SQL_FINDING_GET] = {"read findings",
                            "SELECT " FINDING_COLUMNS " FROM lockstep_finding WHERE scan = ?1 AND key = ?2"},
    [LS_SQL_FINDING_PAGE] = {"read findings",
                             "SELECT " FINDING_COLUMNS " FROM lockstep_finding WHERE scan = ?1 AND key > ?2 "
                             "ORDER BY key LIMIT ?3"},
    [LS_SQL_TALLY_PUT] = {"record a tally",
                          "INSERT OR REPLACE INTO lockstep_tally (scan, product, orphaned, missing, stale, moved, "
                          "misfiled, misplaced, pending, rank) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"},
    [LS_SQL_TALLY_FORGET] = {"forget a tally",
                             "DELETE FROM lockstep_tally WHERE scan = ?1 AND product IN "
                             "(SELECT product FROM lockstep_tally WHERE scan = ?1 ORDER BY product LIMIT ?2)"},
    [LS_SQL_TABLE_UP] = {"read the table of products",
                         TABLE_PAGE("g.product", TABLE_BOTH("", "id > ?4", "product > ?4"))},
    [LS_SQL_TABLE_DOWN] = {"read the table of products",
                           TABLE_PAGE("g.product DESC", TABLE_BOTH("DESC", "id < ?4", "product < ?4"))},
    [LS_SQL_TABLE_RANKED] = {"read the table of products",
                             TABLE_PAGE("f.rank, g.product",
                                        "SELECT product FROM lockstep_tally WHERE scan = ?1 AND rank < 0 "
                                        "AND (rank, product) > (?6, ?4) AND " TABLE_SOUGHT(
                                            "product") "ORDER BY rank, product LIMIT ?5")},
    [LS_SQL_TABLE_REST] = {"read the table of products",
                           TABLE_PAGE("g.product", TABLE_BOTH("",
                                                              "id > ?4 AND NOT EXISTS (SELECT 1 FROM lockstep_tally t "
                                                              "WHERE t.scan = ?1 AND t.product = p.id AND t.rank < 0)",
                                                              "product > ?4 AND rank = 0"))},
    [LS_SQL_META_GET] = {"read a setting", "SELECT value FROM lockstep_meta WHERE name = ?1"},
    [LS_SQL_META_SET] = {"change a setting", "INSERT INTO lockstep_meta (name, value) VALUES (?1, ?2) "
                                             "ON CONFLICT (name) DO UPDATE SET value = excluded.value"},
    [LS_SQL_META_DELETE] = {"drop a setting", "DELETE FROM lockstep_meta WHERE name = ?1"},
};
