/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The statements, as templates over the mapping (see mapping_expand.c). Parameters are numbered by use: ls_pg_text,
 * ls_pg_bytes and ls_pg_int bind them in order.
 *
 * Keys of image rows are text COLLATE "C"; all other keys and paths are bytea, because they may be no UTF-8 (see
 * pg_schema.c). Whatever runs on tables that grow walks an index in its own order.
 */
#include "catalog/pg_sql.h"

/* Columns as read_row in pg_image.c reads them. Each image row has a row in lockstep_object, whose index orders by
 * bytes whatever the application's sorts by. */
#define IMAGE_COLUMNS                                                                                                  \
    "SELECT o.key, {name i image.product_id v variant.product_id}, {text i image.variant_weight v variant.weight}, "   \
    "{text i image.image_type}, {text i image.image_url}, {text i image.variant_id}, {time i image.created_at}, "      \
    "greatest({time i image.updated_at}, o.changed_at), {name v variant.product_id}, {text v variant.weight}, "        \
    "o.known, o.size, o.etag, "                                                                                        \
    "o.mtime_ns, o.mode, o.uid, o.gid, o.content_type "
/* One look into the image's index for each object, whatever the planner thinks: a merge would read the rows from the
 * first one on, for each page. */
#define IMAGE_SELECT                                                                                                   \
    IMAGE_COLUMNS "FROM lockstep.lockstep_object o CROSS JOIN LATERAL (SELECT * FROM {image} i "                       \
                  "WHERE {is i image.file_name o.key} AND {live i image} LIMIT 1) i "                                  \
                  "LEFT JOIN {variant} v ON v.{variant.id} = i.{image.variant_id} AND {live v variant} "
/* What a row is to be, as columns named like the roles. */
#define NEW_IMAGE                                                                                                      \
    "$1::text AS file_name, $2::text AS product_id, $3::text AS variant_id, $4::text AS variant_weight, "              \
    "$5::text AS image_type, $6::text AS image_url, "

#define VARIANT_SELECT                                                                                                 \
    "SELECT {text v variant.id}, {name v variant.product_id}, {text v variant.weight}, {active v}, "                   \
    "{time v variant.created_at}, {time v variant.updated_at} FROM {variant} v WHERE "
#define INTENT_SELECT "SELECT id, instance, op, state, created_ns, args FROM lockstep.lockstep_intent "
#define SCAN_COLUMNS                                                                                                   \
    "started_ns, ended_ns, complete, scope, images, synced, orphaned, missing, stale, moved, misfiled, misplaced, "    \
    "pending, errors, products, twins, objects_seen, rows_seen, unannounced, shared, findings, instance, options"
#define SCAN_VALUES                                                                                                    \
    "$1, $2, $3::bigint <> 0, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, "              \
    "$20::bigint <> 0, $21, $22, $23"
#define RANGE_COLUMNS                                                                                                  \
    "scan, number, prefix, after_key, last_key, state, instance, turn, beat, store_incomplete, catalog_incomplete, "   \
    "synced, objects_seen, rows_seen, errors, messages"

/* The recorded etag is what the writer expects; NULL expects nothing. */
#define ETAG_IS(key, expected)                                                                                         \
    "(" expected "::text IS NULL OR " expected "::text = (SELECT o.etag FROM lockstep.lockstep_object o "              \
    "WHERE o.key = " key "::text))"

/* An instance is alive while a session holds its lock. */
#define LOCKS_OF(number)                                                                                               \
    "FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory' AND l.classid = " LS_PG_LOCK_CLASS                       \
    " AND l.objid = (" number ")::oid AND l.objsubid = 2 AND l.granted AND l.database = "                              \
    "(SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())"
#define IS_ALIVE(number) "EXISTS (SELECT 1 " LOCKS_OF(number) ")"

#define IS_IDLE "NOT EXISTS (SELECT 1 FROM lockstep.lockstep_intent t WHERE t.instance = n.id)"

#define HAS_PREFIX(key, prefix) "substr(" key ", 1, length(" prefix "::bytea)) = " prefix "::bytea "

/* What wants ($1 paths, $2 whether a subtree) overlaps of the claims: the same path, a subtree that holds it, or one
 * that it holds. */
#define OVERLAPS                                                                                                       \
    "WITH w AS MATERIALIZED (SELECT path, subtree, n FROM unnest($1::bytea[], $2::boolean[]) WITH ORDINALITY "         \
    "AS u (path, subtree, n)), hits AS ("                                                                              \
    "SELECT w.n, c.intent FROM w JOIN lockstep.lockstep_claim c ON c.path = w.path "                                   \
    "UNION ALL SELECT w.n, c.intent FROM lockstep.lockstep_claim c JOIN w ON substr(w.path, 1, length(c.path)) = "     \
    "c.path WHERE c.subtree "                                                                                          \
    "UNION ALL SELECT w.n, c.intent FROM w JOIN lockstep.lockstep_claim c ON substr(c.path, 1, length(w.path)) = "     \
    "w.path WHERE w.subtree) "

/* Columns as read_finding in pg_scan.c reads them. */
#define FINDING_COLUMNS "key, kind, flags, twin, partner, row_etag, row_size, object_etag, object_size, detail"

/* A page of the table of products. $1 scan, $2 search, $3 prefix, $4 after, $5 limit, $6 rank. `pages` makes g, of
 * names and the products' ids. */
#define TABLE_PAGE(order, pages)                                                                                       \
    "WITH " pages " SELECT g.product, (SELECT count(*) FROM {variant} v WHERE v.{variant.product_id} = g.id "          \
    "AND {live v variant}), (SELECT count(*) FROM lockstep.lockstep_object o WHERE o.key > $3::text || g.product "     \
    "|| '/' AND o.key < $3::text || g.product || '0'), f.orphaned, f.missing, f.stale, f.moved, f.misfiled, "          \
    "f.misplaced, f.pending FROM g LEFT JOIN lockstep.lockstep_tally f ON f.scan = $1 AND f.product = g.product "      \
    "ORDER BY " order
#define TABLE_SOUGHT(name)                                                                                             \
    "($2::text = '' OR position(lower($2::text COLLATE \"C\") in lower(" name " COLLATE \"C\")) > 0) "
/* The smallest names of both sides together are among the smallest of each. */
#define TABLE_BOTH(order, of_products, of_tally)                                                                       \
    "a AS (SELECT {text p product.name} AS product, p.{product.id} AS id FROM {product} p WHERE " of_products          \
    " AND " TABLE_SOUGHT(                                                                                              \
        "{text p product.name}") "AND {live p product} ORDER BY {text p product.name} " order                          \
                                 " LIMIT $5), b AS (SELECT t.product FROM lockstep.lockstep_tally t WHERE t.scan = "   \
                                 "$1 AND " of_tally " AND " TABLE_SOUGHT(                                              \
                                     "t.product") "ORDER BY t.product " order                                          \
                                                  " LIMIT $5), g AS (SELECT coalesce(a.product, b.product) "           \
                                                  "AS product, a.id FROM a FULL JOIN b ON b.product = a.product "      \
                                                  "ORDER BY 1 " order " LIMIT $5)"

const struct ls_pg_statement ls_pg_statements[LS_PG_COUNT] = {
    [LS_PG_BEGIN] = {"begin a transaction", "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", true},
    [LS_PG_WRITER_LOCK] = {"wait for other writers", "SELECT pg_catalog.pg_advisory_xact_lock(" LS_PG_LOCK_WRITER ")",
                           true},
    [LS_PG_WRITER_SET] = {"name the writer", "SELECT pg_catalog.set_config('lockstep.writer', $1, true)", false},
    [LS_PG_RELAX] = {"begin a transaction", "SET LOCAL synchronous_commit = off", true},
    [LS_PG_COMMIT] = {"commit", "COMMIT", true},
    [LS_PG_ROLLBACK] = {"roll back", "ROLLBACK", true},
    [LS_PG_SAVEPOINT] = {"set a savepoint", "SAVEPOINT lockstep_step", true},
    [LS_PG_SAVEPOINT_KEEP] = {"release a savepoint", "RELEASE SAVEPOINT lockstep_step", true},
    [LS_PG_SAVEPOINT_BACK] = {"go back to a savepoint", "ROLLBACK TO SAVEPOINT lockstep_step", true},

    /* ---- what the database has for a mapping ---- */
    /* $1, $2, $3: the tables' names, quoted. */
    [LS_PG_RESOLVE] =
        {"look the tables up",
         "SELECT t.n, s.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, "
         "pg_catalog.row_security_active(c.oid), a.attname::text, y.typname::text, y.typtype::text, "
         "pg_catalog.quote_ident(z.nspname) || '.' || pg_catalog.quote_ident(y.typname), "
         "CASE WHEN l.collname NOT IN ('C', 'POSIX') THEN "
         "pg_catalog.quote_ident(m.nspname) || '.' || pg_catalog.quote_ident(l.collname) END, "
         "coalesce(l.collisdeterministic, true), a.attgenerated::text <> '' OR a.attidentity::text = 'a' "
         "FROM pg_catalog.unnest(ARRAY[$1, $2, $3]::text[]) WITH ORDINALITY t (name, n) "
         "LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name) "
         "LEFT JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace "
         "LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
         "LEFT JOIN pg_catalog.pg_type y ON y.oid = a.atttypid "
         "LEFT JOIN pg_catalog.pg_namespace z ON z.oid = y.typnamespace "
         "LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation "
         "LEFT JOIN pg_catalog.pg_namespace m ON m.oid = l.collnamespace ORDER BY t.n, a.attnum",
         false},

    /* ---- images ---- */
    [LS_PG_IMAGES_GET] = {"read image rows", IMAGE_SELECT "WHERE o.key = ANY ($1::text[]) ORDER BY o.key", false},
    [LS_PG_IMAGE_PAGE] = {"read image rows", IMAGE_SELECT "WHERE o.key > $1 ORDER BY o.key LIMIT $2", false},
    [LS_PG_IMAGE_RANGE] = {"read image rows", IMAGE_SELECT "WHERE o.key > $1 AND o.key < $2 ORDER BY o.key LIMIT $3",
                           false},
    /* Bounds that are no UTF-8: rare, so it may read the whole table. */
    [LS_PG_IMAGE_RANGE_BYTES] = {"read image rows",
                                 IMAGE_SELECT "WHERE convert_to(o.key, 'UTF8') > $1 AND ($2::bytea IS NULL OR "
                                              "convert_to(o.key, 'UTF8') < $2) ORDER BY o.key LIMIT $3",
                                 false},
    [LS_PG_VARIANT_IMAGES] = {"read a variant's image rows",
                              IMAGE_COLUMNS
                              "FROM {image} i JOIN lockstep.lockstep_object o ON o.key = {text i image.file_name} "
                              "JOIN {variant} v ON v.{variant.id} = i.{image.variant_id} "
                              "WHERE {is i image.variant_id $1::text} AND {live i image} AND o.key > $2 "
                              "ORDER BY o.key LIMIT $3",
                              false},
    [LS_PG_IMAGE_COUNT] = {"count image rows",
                           "SELECT count(*), coalesce(sum(size), 0)::bigint FROM lockstep.lockstep_object "
                           "WHERE key > $1 AND ($2::text IS NULL OR key < $2)",
                           false},
    [LS_PG_IMAGE_ESTIMATE] = {"estimate the number of image rows",
                              "SELECT greatest(reltuples, 0)::bigint FROM pg_catalog.pg_class "
                              "WHERE oid = 'lockstep.lockstep_object'::regclass",
                              false},
    /* $1 ranges, $2 percent of the table's pages: the first key of each range but the first. */
    [LS_PG_IMAGE_SPLITS] =
        {"cut the image rows into ranges",
         "WITH s AS MATERIALIZED (SELECT key FROM lockstep.lockstep_object TABLESAMPLE SYSTEM (($2::bigint)::real) "
         "REPEATABLE (1)), c AS (SELECT count(*) AS n FROM s), r AS (SELECT key, "
         "row_number() OVER (ORDER BY key) - 1 AS at FROM s) SELECT key FROM r, c "
         "WHERE at > 0 AND at * $1::bigint / c.n <> (at - 1) * $1::bigint / c.n ORDER BY key",
         false},
    [LS_PG_IMAGE_ETAG] = {"read an image row", "SELECT etag FROM lockstep.lockstep_object WHERE key = $1", false},
    [LS_PG_IMAGE_INSERT] = {"insert an image row",
                            "INSERT INTO {image} ({columns image}) SELECT {values image} FROM (SELECT " NEW_IMAGE
                            "$7::timestamptz AS created_at, $8::timestamptz AS updated_at{constants image 9}) p "
                            "WHERE {known p}",
                            false},
    [LS_PG_IMAGE_UPDATE] = {"change an image row",
                            "UPDATE {image} i SET {set image} FROM (SELECT " NEW_IMAGE
                            "$7::timestamptz AS updated_at) p WHERE {known p} AND {is i image.file_name $8::text} "
                            "AND {live i image} AND " ETAG_IS("$8", "$9"),
                            false},
    [LS_PG_IMAGE_DELETE] = {"delete an image row",
                            "{delete image i} WHERE {is i image.file_name $1::text} AND {live i image} AND " ETAG_IS(
                                "$1", "$2"),
                            false},
    /* NULL keeps what is there. The row itself is left alone: it may be another application's. */
    [LS_PG_IMAGE_ATTR] = {"record attributes",
                          "WITH o AS (UPDATE lockstep.lockstep_object SET mode = coalesce($1, mode), "
                          "uid = coalesce($2, uid), gid = coalesce($3, gid), mtime_ns = coalesce($4, mtime_ns), "
                          "changed_at = $6 WHERE key = $5 AND known RETURNING convert_to(key, 'UTF8') AS key) "
                          "SELECT lockstep.lockstep_note('image', 'update', o.key, o.key) FROM o",
                          false},
    [LS_PG_OBJECT_PUT] = {"record an object",
                          "INSERT INTO lockstep.lockstep_object (key, size, etag, mtime_ns, mode, uid, gid, "
                          "content_type, known) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, true) ON CONFLICT (key) "
                          "DO UPDATE SET size = excluded.size, etag = excluded.etag, mtime_ns = excluded.mtime_ns, "
                          "mode = excluded.mode, uid = excluded.uid, gid = excluded.gid, "
                          "content_type = excluded.content_type, known = true",
                          false},
    /* The row itself stays as it is: the feed is told here. */
    [LS_PG_OBJECT_SET] = {"record an object",
                          "WITH o AS (UPDATE lockstep.lockstep_object SET size = $2, etag = $3, mtime_ns = $4, "
                          "mode = $5, uid = $6, gid = $7, content_type = $8, known = true WHERE key = $1 "
                          "AND ($9::text IS NULL OR etag = $9) RETURNING convert_to(key, 'UTF8') AS key) "
                          "SELECT lockstep.lockstep_note('image', 'update', o.key, o.key) FROM o",
                          false},
    [LS_PG_OBJECT_FORGET] = {"forget an object",
                             "UPDATE lockstep.lockstep_object SET size = 0, etag = '', mtime_ns = 0, mode = 0, "
                             "uid = 0, gid = 0, content_type = '', known = false WHERE key = $1",
                             false},

    /* ---- products and variants ---- */
    [LS_PG_PRODUCT_PAGE] = {"read products",
                            "SELECT {text p product.name} FROM {product} p WHERE {text p product.name} > $1::text "
                            "AND {live p product} ORDER BY {text p product.name} LIMIT $2",
                            false},
    [LS_PG_PRODUCT_COUNT] = {"count products", "SELECT count(*) FROM {product} p WHERE {live p product}", false},
    [LS_PG_PRODUCT_EXISTS] = {"look for a product",
                              "SELECT 1 FROM {product} p WHERE {is p product.name $1::text} AND {live p product}",
                              false},
    [LS_PG_PRODUCT_INSERT] = {"insert a product",
                              "INSERT INTO {product} ({columns product}) SELECT {values product} FROM (SELECT "
                              "$1::text AS name, $2::timestamptz AS created_at, $2::timestamptz AS updated_at"
                              "{constants product 3}) p",
                              false},
    /* Not left to foreign keys: there may be none, or one that takes the rows along. */
    [LS_PG_PRODUCT_DELETE] = {"delete a product",
                              "{delete product p} WHERE {is p product.name $1::text} AND {live p product} "
                              "AND NOT EXISTS (SELECT 1 FROM {variant} v WHERE v.{variant.product_id} = p.{product.id} "
                              "AND {live v variant}){no_images p}",
                              false},
    [LS_PG_PRODUCT_RENAME] = {"rename a product",
                              "UPDATE {product} p SET {product.name} = {as product.name $1::text} "
                              "WHERE {is p product.name $2::text} AND {live p product}",
                              false},
    [LS_PG_VARIANT_LIST] = {"read variants",
                            VARIANT_SELECT "{of v variant.product_id $1::text} AND {live v variant} "
                                           "AND {text v variant.weight} > '' ORDER BY {text v variant.weight}",
                            false},
    [LS_PG_VARIANT_GET] = {"read a variant",
                           VARIANT_SELECT "{of v variant.product_id $1::text} AND {is v variant.weight $2::text} "
                                          "AND {live v variant}",
                           false},
    [LS_PG_VARIANT_EXISTS] = {"look for a variant",
                              "SELECT 1 FROM {variant} v WHERE {is v variant.id $1::text} AND {live v variant}", false},
    [LS_PG_VARIANT_INSERT] = {"insert a variant",
                              "INSERT INTO {variant} ({columns variant}) SELECT {values variant} FROM (SELECT "
                              "$1::text AS product_id, $2::text AS weight, true AS is_active, "
                              "$3::timestamptz AS created_at, $3::timestamptz AS updated_at{constants variant 4}) p "
                              "WHERE {known p}",
                              false},
    [LS_PG_VARIANT_UPDATE] = {"change a variant",
                              "UPDATE {variant} v SET {set variant} FROM (SELECT $1::text AS product_id, "
                              "$2::text AS weight, $3::bigint <> 0 AS is_active, $4::timestamptz AS updated_at) p "
                              "WHERE {known p} AND {is v variant.id $5::text} AND {live v variant}",
                              false},
    [LS_PG_VARIANT_DELETE] = {"delete a variant",
                              "{delete variant v} WHERE {is v variant.id $1::text} AND {live v variant} AND NOT EXISTS "
                              "(SELECT 1 FROM {image} i WHERE i.{image.variant_id} = v.{variant.id} "
                              "AND {live i image})",
                              false},

    /* ---- folders ---- */
    [LS_PG_FOLDER_GET] = {"read a folder's attributes",
                          "SELECT path, mode, uid, gid, mtime_ns FROM lockstep.lockstep_folder WHERE path = $1", false},
    [LS_PG_FOLDER_CHILDREN] = {"read folders",
                               "SELECT path, mode, uid, gid, mtime_ns FROM lockstep.lockstep_folder "
                               "WHERE parent = $1 ORDER BY path",
                               false},
    [LS_PG_FOLDER_PUT] = {"record a folder's attributes",
                          "INSERT INTO lockstep.lockstep_folder (path, parent, mode, uid, gid, mtime_ns) "
                          "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (path) DO UPDATE SET mode = excluded.mode, "
                          "uid = excluded.uid, gid = excluded.gid, mtime_ns = excluded.mtime_ns",
                          false},
    /* $2, $3: the range of what lies below; NULL = only the path itself. */
    [LS_PG_FOLDER_DELETE] = {"forget folders",
                             "DELETE FROM lockstep.lockstep_folder WHERE path = $1 OR (path >= $2 AND path < $3)",
                             false},
    /* Room for what $1 and the range $2, $3 below it bring to $4. */
    [LS_PG_FOLDER_CLEAR] = {"move folders",
                            "DELETE FROM lockstep.lockstep_folder t USING lockstep.lockstep_folder f "
                            "WHERE (f.path = $1 OR (f.path >= $2 AND f.path < $3)) "
                            "AND t.path = $4::bytea || substr(f.path, length($1::bytea) + 1) AND t.path <> f.path",
                            false},
    [LS_PG_FOLDER_MOVE] = {"move folders",
                           "UPDATE lockstep.lockstep_folder SET path = $4::bytea || substr(path, length($1::bytea) + "
                           "1), parent = CASE WHEN path = $1 THEN $5::bytea ELSE $4::bytea || substr(parent, "
                           "length($1::bytea) + 1) END WHERE path = $1 OR (path >= $2 AND path < $3)",
                           false},

    /* ---- the change feed ---- */
    [LS_PG_CHANGE_LAST] = {"read the newest change number",
                           "SELECT greatest((SELECT max(seq) FROM lockstep.lockstep_change), (SELECT value::bigint "
                           "FROM lockstep.lockstep_meta WHERE name = 'change_floor'))",
                           false},
    /* The first column is the number up to which lines may be gone; without changes that row stands alone. */
    [LS_PG_CHANGE_PAGE] = {"read changes",
                           "SELECT m.value::bigint, c.seq, c.kind, c.action, c.key, c.new_key, c.writer, c.etag "
                           "FROM lockstep.lockstep_meta m LEFT JOIN LATERAL (SELECT * FROM lockstep.lockstep_change "
                           "WHERE seq > $1 ORDER BY seq LIMIT $2) c ON true WHERE m.name = 'change_floor' "
                           "ORDER BY c.seq",
                           false},

    /* ---- the journal ---- */
    [LS_PG_INTENT_INSERT] = {"write an intent",
                             "INSERT INTO lockstep.lockstep_intent (id, instance, op, state, created_ns, args) "
                             "VALUES ($1, $2, $3, $4, $5, $6)",
                             false},
    [LS_PG_INTENT_COMMIT] = {"commit an intent",
                             "UPDATE lockstep.lockstep_intent SET state = 'committed' "
                             "WHERE id = $1 AND instance = $2 AND state = 'open'",
                             false},
    [LS_PG_INTENT_TAKE] = {"take over an intent",
                           "UPDATE lockstep.lockstep_intent SET instance = $1 WHERE id = $2 AND instance = $3", false},
    [LS_PG_INTENT_DELETE] = {"close an intent", "DELETE FROM lockstep.lockstep_intent WHERE id = $1 AND instance = $2",
                             false},
    [LS_PG_INTENT_GET] = {"read an intent", INTENT_SELECT "WHERE id = $1", false},
    [LS_PG_INTENT_LIST] = {"read the open intents", INTENT_SELECT "ORDER BY id", false},
    [LS_PG_ITEM_INSERT] = {"write an intent's item",
                           "INSERT INTO lockstep.lockstep_intent_item (intent, seq, action, key, dest, old_etag, "
                           "new_etag, dest_etag, size, row, done) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
                           "$11)",
                           false},
    [LS_PG_ITEM_SET] = {"mark an intent's item",
                        "UPDATE lockstep.lockstep_intent_item SET new_etag = $1, dest_etag = $2, done = $3 "
                        "WHERE intent = $4 AND seq = $5",
                        false},
    [LS_PG_ITEM_PAGE] = {"read an intent's items",
                         "SELECT seq, action, key, dest, old_etag, new_etag, dest_etag, size, row, done "
                         "FROM lockstep.lockstep_intent_item WHERE intent = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                         false},
    [LS_PG_ITEM_COUNT] = {"count an intent's items",
                          "SELECT count(*) FROM lockstep.lockstep_intent_item WHERE intent = $1", false},
    [LS_PG_CLAIM_INSERT] = {"claim a path",
                            "INSERT INTO lockstep.lockstep_claim (path, subtree, intent) VALUES ($1, $2::bigint <> 0, "
                            "$3) ON CONFLICT DO NOTHING",
                            false},
    [LS_PG_CLAIM_OVERLAP] = {"look for claims",
                             OVERLAPS "SELECT h.n, t.id, t.op, t.instance FROM hits h "
                                      "JOIN lockstep.lockstep_intent t ON t.id = h.intent ORDER BY h.n LIMIT 1",
                             false},
    [LS_PG_CLAIM_COVER] = {"look for claims", OVERLAPS "SELECT DISTINCT n FROM hits", false},

    /* ---- instances ---- */
    [LS_PG_INSTANCE_INSERT] = {"register this process",
                               "INSERT INTO lockstep.lockstep_instance (id, kind, host, pid, started_ns) "
                               "VALUES ($1, $2, $3, $4, $5) RETURNING number",
                               false},
    /* After a lost connection: the row may have been forgotten meanwhile. */
    [LS_PG_INSTANCE_AGAIN] = {"register this process again",
                              "INSERT INTO lockstep.lockstep_instance (number, id, kind, host, pid, started_ns) "
                              "OVERRIDING SYSTEM VALUE VALUES ($6::bigint::integer, $1, $2, $3, $4, $5) "
                              "ON CONFLICT DO NOTHING",
                              false},
    [LS_PG_INSTANCE_LOCK] = {"take the liveness lock",
                             "SELECT pg_catalog.pg_try_advisory_lock(" LS_PG_LOCK_CLASS ", $1::bigint::integer)",
                             false},
    /* A session of ours that has lost its other end, which the server has not noticed yet. */
    [LS_PG_INSTANCE_EVICT] = {"end a lost session of this process",
                              "SELECT pg_catalog.pg_terminate_backend(l.pid) " LOCKS_OF("$1::bigint"), false},
    [LS_PG_INSTANCE_HEAR] = {"see whether the liveness lock is held", "SELECT 1", true},
    [LS_PG_INSTANCE_UNLOCK] = {"leave the liveness lock", "SELECT pg_catalog.pg_advisory_unlock_all()", true},
    [LS_PG_ROLE_LOCK] = {"take a role",
                         "SELECT pg_catalog.pg_try_advisory_lock(" LS_PG_LOCK_ROLES ", $1::bigint::integer)", false},
    [LS_PG_ROLE_UNLOCK] = {"leave a role",
                           "SELECT pg_catalog.pg_advisory_unlock(" LS_PG_LOCK_ROLES ", $1::bigint::integer)", false},
    [LS_PG_INSTANCE_GET] = {"look for an instance",
                            "SELECT n.host, n.pid, " IS_ALIVE("n.number") " FROM lockstep.lockstep_instance n "
                                                                          "WHERE n.id = $1",
                            false},
    [LS_PG_INSTANCE_LIST] = {"read the instances",
                             "SELECT n.id, n.kind, n.host, n.pid, n.started_ns, " IS_ALIVE(
                                 "n.number") " FROM lockstep.lockstep_instance n ORDER BY n.number",
                             false},
    [LS_PG_INSTANCE_DELETE_IDLE] = {"forget an instance",
                                    "DELETE FROM lockstep.lockstep_instance n WHERE n.id = $1 AND " IS_IDLE, false},
    [LS_PG_INSTANCE_FORGET_DEAD] = {"forget dead instances",
                                    "DELETE FROM lockstep.lockstep_instance n WHERE " IS_IDLE
                                    " AND NOT " IS_ALIVE("n.number"),
                                    false},

    /* ---- audit trail, trash, scans, settings ---- */
    [LS_PG_AUDIT_INSERT] = {"write the audit trail",
                            "INSERT INTO lockstep.lockstep_audit (at_ns, intent, op, actor, key, dest, outcome, "
                            "detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                            false},
    [LS_PG_AUDIT_PAGE] = {"read the audit trail",
                          "SELECT seq, at_ns, intent, op, actor, key, dest, outcome, detail "
                          "FROM lockstep.lockstep_audit WHERE seq < $1 AND " HAS_PREFIX(
                              "key", "$2") "ORDER BY seq DESC LIMIT $3",
                          false},
    [LS_PG_TRASH_INSERT] = {"list an object in the trash",
                            "INSERT INTO lockstep.lockstep_trash (id, key, trash_key, etag, size, reason, row, at_ns) "
                            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                            false},
    [LS_PG_TRASH_DELETE] = {"take an object off the trash", "DELETE FROM lockstep.lockstep_trash WHERE id = $1", false},
    [LS_PG_TRASH_PAGE] = {"read the trash",
                          "SELECT id, key, trash_key, etag, size, reason, row, at_ns FROM lockstep.lockstep_trash "
                          "WHERE id > $1 AND " HAS_PREFIX("key", "$2") "ORDER BY id LIMIT $3",
                          false},
    [LS_PG_EVENT_INSERT] = {"keep an event",
                            "INSERT INTO lockstep.lockstep_event (at_ns, kind, key, etag, sequencer) "
                            "VALUES ($1, $2, $3, $4, $5)",
                            false},
    [LS_PG_EVENT_PAGE] = {"read the events",
                          "SELECT seq, at_ns, kind, key, etag, sequencer FROM lockstep.lockstep_event "
                          "WHERE seq > $1 ORDER BY seq LIMIT $2",
                          false},
    [LS_PG_EVENT_COUNT] = {"count the events", "SELECT count(*) FROM lockstep.lockstep_event", false},
    [LS_PG_EVENT_DELETE] = {"forget an event", "DELETE FROM lockstep.lockstep_event WHERE seq = $1", false},
    [LS_PG_SCAN_INSERT] = {"record a scan",
                           "INSERT INTO lockstep.lockstep_scan (" SCAN_COLUMNS ") VALUES (" SCAN_VALUES
                           ") RETURNING id",
                           false},
    [LS_PG_SCAN_UPDATE] = {"record a scan",
                           "UPDATE lockstep.lockstep_scan SET (" SCAN_COLUMNS ") = (" SCAN_VALUES
                           ") WHERE id = $24 RETURNING id",
                           false},
    [LS_PG_SCAN_GET] = {"read the scans",
                        "SELECT id, " SCAN_COLUMNS " FROM lockstep.lockstep_scan WHERE id < $1 "
                        "ORDER BY id DESC LIMIT 1",
                        false},
    [LS_PG_SCAN_WHOLE] =
        {"read the scans",
         "SELECT id, " SCAN_COLUMNS " FROM lockstep.lockstep_scan WHERE scope = '' "
         "AND ($1::bigint = 0 OR (complete AND ended_ns > 0)) AND ($1::bigint < 2 OR findings = 'kept') "
         "ORDER BY id DESC LIMIT 1",
         false},
    [LS_PG_SCAN_RUNNING] = {"look for a shared scan",
                            "SELECT id, " SCAN_COLUMNS " FROM lockstep.lockstep_scan WHERE findings = 'writing' "
                            "AND shared AND ended_ns = 0 ORDER BY id DESC LIMIT 1",
                            false},
    [LS_PG_SCAN_BURY] = {"end the scans of dead processes",
                         "UPDATE lockstep.lockstep_scan s SET findings = 'going', "
                         "ended_ns = CASE WHEN ended_ns = 0 THEN $1 ELSE ended_ns END "
                         "WHERE findings = 'writing' AND NOT shared AND NOT EXISTS "
                         "(SELECT 1 FROM lockstep.lockstep_instance i WHERE i.id = s.instance)",
                         false},
    [LS_PG_SCAN_OUTDATE] = {"let go of old findings",
                            "UPDATE lockstep.lockstep_scan s SET findings = 'going' WHERE findings = 'kept' AND ("
                            "SELECT count(*) FROM lockstep.lockstep_scan n WHERE n.findings = 'kept' AND n.id > s.id "
                            "AND n.complete = s.complete AND (n.scope = '') = (s.scope = '')) >= 2",
                            false},
    [LS_PG_SCAN_GOING] = {"look for old findings",
                          "SELECT id FROM lockstep.lockstep_scan WHERE findings = 'going' ORDER BY id LIMIT 1", false},
    [LS_PG_SCAN_GONE] = {"let go of old findings", "UPDATE lockstep.lockstep_scan SET findings = 'none' WHERE id = $1",
                         false},
    [LS_PG_SCAN_FORGET] = {"forget old scans",
                           "DELETE FROM lockstep.lockstep_scan WHERE id <= (SELECT max(id) "
                           "FROM lockstep.lockstep_scan) - 10000",
                           false},
    [LS_PG_RANGE_INSERT] = {"write a scan's range",
                            "INSERT INTO lockstep.lockstep_scan_range (" RANGE_COLUMNS ") VALUES ($1, $2, $3, $4, $5, "
                            "$6, $7, $8, $9, $10::bigint <> 0, $11::bigint <> 0, $12, $13, $14, $15, $16)",
                            false},
    [LS_PG_RANGE_LIST] = {"read a scan's ranges",
                          "SELECT " RANGE_COLUMNS " FROM lockstep.lockstep_scan_range WHERE scan = $1 ORDER BY number",
                          false},
    [LS_PG_RANGE_TAKE] = {"take a range",
                          "UPDATE lockstep.lockstep_scan_range SET state = 'taken', instance = $1, turn = turn + 1, "
                          "beat = beat + 1 WHERE scan = $2 AND number = (SELECT f.number "
                          "FROM lockstep.lockstep_scan_range f WHERE f.scan = $2 AND f.state = 'free' "
                          "AND (f.number > 0 OR NOT EXISTS (SELECT 1 FROM lockstep.lockstep_scan_range o "
                          "WHERE o.scan = $2 AND o.number > 0 AND o.state <> 'done')) "
                          "ORDER BY f.number LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING number, turn",
                          false},
    [LS_PG_RANGE_TAKE_OVER] = {"take over a range",
                               "UPDATE lockstep.lockstep_scan_range SET instance = $1, turn = turn + 1, "
                               "beat = beat + 1 WHERE scan = $2 AND number = $3 AND turn = $4 AND state = 'taken'",
                               false},
    [LS_PG_RANGE_SET] = {"record a range",
                         "UPDATE lockstep.lockstep_scan_range SET state = $1, store_incomplete = $2::bigint <> 0, "
                         "catalog_incomplete = $3::bigint <> 0, synced = $4, objects_seen = $5, rows_seen = $6, "
                         "errors = $7, messages = $8, beat = beat + 1 "
                         "WHERE scan = $9 AND number = $10 AND instance = $11 AND turn = $12 AND state = 'taken'",
                         false},
    [LS_PG_RANGE_BEAT] = {"show that this process lives",
                          "UPDATE lockstep.lockstep_scan_range SET beat = beat + 1 "
                          "WHERE scan = $1 AND instance = $2 AND state = 'taken'",
                          false},
    [LS_PG_RANGE_DELETE] = {"forget a scan's ranges", "DELETE FROM lockstep.lockstep_scan_range WHERE scan = $1",
                            false},
    [LS_PG_FINDING_PUT] = {"record a finding",
                           "INSERT INTO lockstep.lockstep_finding (scan, key, kind, flags, twin, partner, row_etag, "
                           "row_size, object_etag, object_size, detail) "
                           "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (scan, key) DO UPDATE "
                           "SET (kind, flags, twin, partner, row_etag, row_size, object_etag, object_size, detail) = "
                           "ROW (excluded.kind, excluded.flags, excluded.twin, excluded.partner, excluded.row_etag, "
                           "excluded.row_size, excluded.object_etag, excluded.object_size, excluded.detail)",
                           false},
    [LS_PG_FINDING_DELETE] = {"forget findings",
                              "DELETE FROM lockstep.lockstep_finding WHERE scan = $1 AND key > $2 "
                              "AND ($3::bytea IS NULL OR key <= $3) AND ($4::text IS NULL OR kind = $4)",
                              false},
    [LS_PG_FINDING_FORGET] = {"forget findings",
                              "DELETE FROM lockstep.lockstep_finding WHERE scan = $1 AND key IN "
                              "(SELECT key FROM lockstep.lockstep_finding WHERE scan = $1 ORDER BY key LIMIT $2)",
                              false},
    [LS_PG_FINDING_GET] = {"read findings",
                           "SELECT " FINDING_COLUMNS " FROM lockstep.lockstep_finding WHERE scan = $1 "
                           "AND key = ANY ($2::bytea[])",
                           false},
    [LS_PG_FINDING_PAGE] = {"read findings",
                            "SELECT " FINDING_COLUMNS " FROM lockstep.lockstep_finding WHERE scan = $1 AND key > $2 "
                            "ORDER BY key LIMIT $3",
                            false},
    [LS_PG_TALLY_PUT] = {"record a tally",
                         "INSERT INTO lockstep.lockstep_tally (scan, product, orphaned, missing, stale, moved, "
                         "misfiled, misplaced, pending, rank) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
                         "ON CONFLICT (scan, product) DO UPDATE SET (orphaned, missing, stale, moved, misfiled, "
                         "misplaced, pending, rank) = ROW (excluded.orphaned, excluded.missing, excluded.stale, "
                         "excluded.moved, excluded.misfiled, excluded.misplaced, excluded.pending, excluded.rank)",
                         false},
    [LS_PG_TALLY_FORGET] = {"forget a tally",
                            "DELETE FROM lockstep.lockstep_tally WHERE scan = $1 AND product IN (SELECT product "
                            "FROM lockstep.lockstep_tally WHERE scan = $1 ORDER BY product LIMIT $2)",
                            false},
    [LS_PG_TABLE_UP] = {"read the table of products",
                        TABLE_PAGE("g.product",
                                   TABLE_BOTH("", "{text p product.name} > $4::text", "t.product > $4::text")),
                        false},
    [LS_PG_TABLE_DOWN] = {"read the table of products",
                          TABLE_PAGE("g.product DESC",
                                     TABLE_BOTH("DESC", "{text p product.name} < $4::text", "t.product < $4::text")),
                          false},
    [LS_PG_TABLE_RANKED] =
        {"read the table of products",
         TABLE_PAGE("f.rank, g.product",
                    "b AS (SELECT t.product FROM lockstep.lockstep_tally t WHERE t.scan = $1 "
                    "AND t.rank < 0 AND (t.rank, t.product) > ($6::bigint, $4::text) "
                    "AND " TABLE_SOUGHT(
                        "t.product") "ORDER BY t.rank, t.product LIMIT $5), "
                                     "g AS (SELECT b.product, p.{product.id} AS id FROM b LEFT JOIN {product} p "
                                     "ON {is p product.name b.product} AND {live p product})"),
         false},
    [LS_PG_TABLE_REST] = {"read the table of products",
                          TABLE_PAGE("g.product",
                                     TABLE_BOTH("",
                                                "{text p product.name} > $4::text AND NOT EXISTS (SELECT 1 "
                                                "FROM lockstep.lockstep_tally t WHERE t.scan = $1 "
                                                "AND t.product = {text p product.name} AND t.rank < 0)",
                                                "t.product > $4::text AND t.rank = 0")),
                          false},
    [LS_PG_META_GET] = {"read a setting", "SELECT value FROM lockstep.lockstep_meta WHERE name = $1", false},
    [LS_PG_META_SET] = {"change a setting",
                        "INSERT INTO lockstep.lockstep_meta (name, value) VALUES ($1, $2) "
                        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                        false},
    [LS_PG_META_DELETE] = {"drop a setting", "DELETE FROM lockstep.lockstep_meta WHERE name = $1", false},
};
