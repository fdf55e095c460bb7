/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The schema of the SQLite catalog, its triggers, and its versions.
 *
 * The three product tables may be written by anybody with a plain sqlite3 shell. Triggers, which use nothing but
 * SQLite's own functions, keep the side tables right for them:
 *  - lockstep_object has a row only for keys that have an image row; it goes with the row and follows its file_name. A
 *    new image row starts with nothing recorded, also one that INSERT OR REPLACE put in the place of another.
 *  - lockstep_change gets a line for each changed row. Its writer is the value of the setting 'writer', which our own
 *    transactions set first and clear last, so nobody but the transaction itself ever sees it: foreign writers show
 *    as ''. Numbers rise by one; only the newest million lines are kept.
 * All text compares by bytes (BINARY is the default and never changed). Times of the product tables are ISO 8601 text,
 * for people; those of the side tables are nanoseconds.
 */
#include "catalog/sqlite_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
/* A name that fits the interface's fields. */
#define IS_NAME(column) "CHECK (length(CAST(" column " AS BLOB)) BETWEEN 1 AND 255 AND instr(" column ", char(0)) = 0)"
#define WRITER "coalesce((SELECT value FROM lockstep_meta WHERE name = 'writer'), '')"
#define CHANGE(kind, action, key, new_key)                                                                             \
    "INSERT INTO lockstep_change (kind, action, key, new_key, writer) "                                                \
    "VALUES ('" kind "', '" action "', " key ", " new_key ", " WRITER "); "

static const char version_1[] =
    /* ---- the application's tables ---- */
    "CREATE TABLE product ("
    "  id TEXT PRIMARY KEY NOT NULL " IS_NAME(
        "id") ","
              "  created_at TEXT NOT NULL DEFAULT " NOW ") STRICT;"

              "CREATE TABLE product_variant ("
              "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
              "  product_id TEXT NOT NULL REFERENCES product (id) ON UPDATE CASCADE,"
              "  weight TEXT NOT NULL " IS_NAME("weight") ","
                                                          "  is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN "
                                                          "(0, 1)),"
                                                          "  created_at TEXT NOT NULL DEFAULT " NOW ","
                                                          "  updated_at TEXT NOT NULL DEFAULT " NOW ","
                                                          "  UNIQUE (product_id, weight)"
                                                          ") STRICT;"

                                                          "CREATE TABLE product_image ("
                                                          "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                                          "  product_id TEXT REFERENCES product (id) ON UPDATE CASCADE,"
                                                          "  variant_id INTEGER REFERENCES product_variant (id),"
                                                          "  variant_weight TEXT,"
                                                          "  image_type TEXT,"
                                                          "  file_name TEXT NOT NULL UNIQUE CHECK (file_name <> '' AND "
                                                          "instr(file_name, char(0)) = 0),"
                                                          "  image_url TEXT,"
                                                          "  created_at TEXT NOT NULL DEFAULT " NOW ","
                                                          "  updated_at TEXT NOT NULL DEFAULT " NOW ") STRICT;"
                                                          "CREATE INDEX product_image_by_variant ON product_image "
                                                          "(variant_id, file_name);"
                                                          "CREATE INDEX product_image_by_product ON product_image "
                                                          "(product_id);"

                                                          /* ---- side tables ---- */
                                                          "CREATE TABLE lockstep_meta (name TEXT PRIMARY KEY NOT NULL, "
                                                          "value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
                                                          "INSERT INTO lockstep_meta (name, value) VALUES ('writer', "
                                                          "''), ('schema_version', '0');"

                                                          "CREATE TABLE lockstep_object ("
                                                          "  key TEXT PRIMARY KEY NOT NULL,"
                                                          "  size INTEGER NOT NULL,"
                                                          "  etag TEXT NOT NULL,"
                                                          "  mtime_ns INTEGER NOT NULL,"
                                                          "  mode INTEGER NOT NULL,"
                                                          "  uid INTEGER NOT NULL,"
                                                          "  gid INTEGER NOT NULL,"
                                                          "  content_type TEXT NOT NULL"
                                                          ") STRICT, WITHOUT ROWID;"

                                                          "CREATE TABLE lockstep_folder ("
                                                          "  path TEXT PRIMARY KEY NOT NULL,"
                                                          "  mode INTEGER NOT NULL,"
                                                          "  uid INTEGER NOT NULL,"
                                                          "  gid INTEGER NOT NULL,"
                                                          "  mtime_ns INTEGER NOT NULL"
                                                          ") STRICT, WITHOUT ROWID;"

                                                          "CREATE TABLE lockstep_instance ("
                                                          "  number INTEGER PRIMARY KEY AUTOINCREMENT," /* its lock's
                                                                                                           byte; never
                                                                                                           used twice */
                                                          "  id TEXT NOT NULL UNIQUE,"
                                                          "  kind TEXT NOT NULL,"
                                                          "  host TEXT NOT NULL,"
                                                          "  pid INTEGER NOT NULL,"
                                                          "  started_ns INTEGER NOT NULL"
                                                          ") STRICT;"

                                                          "CREATE TABLE lockstep_intent ("
                                                          "  id TEXT PRIMARY KEY NOT NULL,"
                                                          "  instance TEXT NOT NULL,"
                                                          "  op TEXT NOT NULL,"
                                                          "  state TEXT NOT NULL CHECK (state IN ('open', "
                                                          "'committed')),"
                                                          "  created_ns INTEGER NOT NULL,"
                                                          "  args TEXT NOT NULL DEFAULT ''"
                                                          ") STRICT, WITHOUT ROWID;"
                                                          "CREATE INDEX lockstep_intent_by_instance ON lockstep_intent "
                                                          "(instance);"

                                                          "CREATE TABLE lockstep_intent_item ("
                                                          "  intent TEXT NOT NULL REFERENCES lockstep_intent (id) ON "
                                                          "DELETE CASCADE,"
                                                          "  seq INTEGER NOT NULL,"
                                                          "  action TEXT NOT NULL,"
                                                          "  key TEXT NOT NULL,"
                                                          "  dest TEXT,"
                                                          "  old_etag TEXT,"
                                                          "  new_etag TEXT,"
                                                          "  dest_etag TEXT,"
                                                          "  size INTEGER NOT NULL,"
                                                          "  row TEXT,"
                                                          "  done INTEGER NOT NULL DEFAULT 0,"
                                                          "  PRIMARY KEY (intent, seq)"
                                                          ") STRICT, WITHOUT ROWID;"

                                                          "CREATE TABLE lockstep_claim ("
                                                          "  path TEXT NOT NULL,"
                                                          "  subtree INTEGER NOT NULL,"
                                                          "  intent TEXT NOT NULL REFERENCES lockstep_intent (id) ON "
                                                          "DELETE CASCADE,"
                                                          "  PRIMARY KEY (path, subtree, intent)"
                                                          ") STRICT, WITHOUT ROWID;"
                                                          "CREATE INDEX lockstep_claim_by_intent ON lockstep_claim "
                                                          "(intent);"

                                                          "CREATE TABLE lockstep_audit ("
                                                          "  seq INTEGER PRIMARY KEY AUTOINCREMENT,"
                                                          "  at_ns INTEGER NOT NULL,"
                                                          "  intent TEXT,"
                                                          "  op TEXT NOT NULL,"
                                                          "  actor TEXT NOT NULL,"
                                                          "  key TEXT NOT NULL,"
                                                          "  dest TEXT,"
                                                          "  outcome TEXT NOT NULL,"
                                                          "  detail TEXT"
                                                          ") STRICT;"

                                                          "CREATE TABLE lockstep_trash ("
                                                          "  id TEXT PRIMARY KEY NOT NULL,"
                                                          "  key TEXT NOT NULL,"
                                                          "  trash_key TEXT NOT NULL,"
                                                          "  etag TEXT NOT NULL,"
                                                          "  size INTEGER NOT NULL,"
                                                          "  reason TEXT NOT NULL,"
                                                          "  row TEXT,"
                                                          "  at_ns INTEGER NOT NULL"
                                                          ") STRICT, WITHOUT ROWID;"

                                                          "CREATE TABLE lockstep_scan ("
                                                          "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                                          "  started_ns INTEGER NOT NULL,"
                                                          "  ended_ns INTEGER NOT NULL,"
                                                          "  complete INTEGER NOT NULL,"
                                                          "  scope TEXT NOT NULL,"
                                                          "  images INTEGER NOT NULL,"
                                                          "  synced INTEGER NOT NULL,"
                                                          "  orphaned INTEGER NOT NULL,"
                                                          "  missing INTEGER NOT NULL,"
                                                          "  stale INTEGER NOT NULL,"
                                                          "  moved INTEGER NOT NULL,"
                                                          "  misfiled INTEGER NOT NULL,"
                                                          "  misplaced INTEGER NOT NULL,"
                                                          "  pending INTEGER NOT NULL,"
                                                          "  errors INTEGER NOT NULL"
                                                          ") STRICT;"

                                                          "CREATE TABLE lockstep_finding ("
                                                          "  scan INTEGER NOT NULL REFERENCES lockstep_scan (id) ON "
                                                          "DELETE CASCADE,"
                                                          "  key TEXT NOT NULL,"
                                                          "  kind TEXT NOT NULL,"
                                                          "  dest TEXT,"
                                                          "  size INTEGER,"
                                                          "  etag TEXT,"
                                                          "  detail TEXT,"
                                                          "  PRIMARY KEY (scan, key, kind)"
                                                          ") STRICT, WITHOUT ROWID;"

                                                          "CREATE TABLE lockstep_change ("
                                                          "  seq INTEGER PRIMARY KEY,"
                                                          "  kind TEXT NOT NULL,"
                                                          "  action TEXT NOT NULL,"
                                                          "  key TEXT NOT NULL,"
                                                          "  new_key TEXT,"
                                                          "  writer TEXT NOT NULL"
                                                          ") STRICT;"

                                                          /* ---- triggers ---- */
                                                          "CREATE TRIGGER lockstep_image_inserted AFTER INSERT ON "
                                                          "product_image BEGIN "
                                                          "DELETE FROM lockstep_object WHERE key = "
                                                          "NEW.file_name; " CHANGE("image", "insert", "NEW.file_name",
                                                                                   "NEW.file_name") "END;"
                                                                                                    "CREATE TRIGGER "
                                                                                                    "lockstep_image_"
                                                                                                    "updated AFTER "
                                                                                                    "UPDATE ON "
                                                                                                    "product_image "
                                                                                                    "BEGIN "
                                                                                                    "DELETE FROM "
                                                                                                    "lockstep_object "
                                                                                                    "WHERE key = "
                                                                                                    "NEW.file_name AND "
                                                                                                    "OLD.file_name <> "
                                                                                                    "NEW.file_name; "
                                                                                                    "UPDATE "
                                                                                                    "lockstep_object "
                                                                                                    "SET key = "
                                                                                                    "NEW.file_name "
                                                                                                    "WHERE key = "
                                                                                                    "OLD.file_name AND "
                                                                                                    "OLD.file_name <> "
                                                                                                    "NEW.file_name;"
                                                                                                    " " CHANGE("image",
                                                                                                               "update",
                                                                                                               "OLD."
                                                                                                               "file_"
                                                                                                               "name",
                                                                                                               "NEW."
                                                                                                               "file_"
                                                                                                               "name") "END;"
                                                                                                                       "CREATE TRIGGER lockstep_image_deleted AFTER DELETE ON product_image BEGIN "
                                                                                                                       "DELETE FROM lockstep_object WHERE key = OLD.file_name; " CHANGE("image", "delete", "OLD.file_name", "NULL") "END;"

                                                                                                                                                                                                                                    "CREATE TRIGGER lockstep_variant_inserted AFTER INSERT ON product_variant BEGIN " CHANGE("variant", "insert", "NEW.product_id || '/' || NEW.weight", "NEW.product_id || '/' || NEW.weight") "END;"
                                                                                                                                                                                                                                                                                                                                                                                                                                "CREATE TRIGGER lockstep_variant_updated AFTER UPDATE ON product_variant BEGIN " CHANGE(
                                                                                                                                                                                                                                                                                                                                                                                                                                    "variant", "update",
                                                                                                                                                                                                                                                                                                                                                                                                                                    "OLD.product_id || '/' || OLD.weight", "NEW.product_id || '/' || NEW.weight") "END;"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "CREATE TRIGGER lockstep_variant_deleted AFTER DELETE ON product_variant BEGIN " CHANGE("variant", "delete", "OLD.product_id || '/' || OLD.weight", "NULL") "END;"

                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                              "CREATE TRIGGER lockstep_product_inserted AFTER INSERT ON product BEGIN " CHANGE("product", "insert", "NEW.id", "NEW.id") "END;"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                        "CREATE TRIGGER lockstep_product_updated AFTER UPDATE ON product BEGIN " CHANGE(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            "product", "update", "OLD.id", "NEW.id") "END;"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "CREATE TRIGGER lockstep_product_deleted AFTER DELETE ON product BEGIN " CHANGE(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "product",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "delete", "OLD.id", "NULL") "END;"

                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "CREATE TRIGGER lockstep_folder_inserted AFTER INSERT ON lockstep_folder BEGIN " CHANGE("folder", "insert", "NEW.path",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "NEW.path") "END;"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "CREATE TRIGGER lockstep_folder_updated AFTER UPDATE ON lockstep_folder BEGIN " CHANGE(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "folder",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "update",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "OLD.path",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "NEW.path") "END;"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "CREATE TRIGGER lockstep_folder_deleted AFTER DELETE ON lockstep_folder BEGIN " CHANGE(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "folder",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "delete",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "OLD.path",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             "NULL") "END;"

                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "CREATE TRIGGER lockstep_change_bounded AFTER INSERT ON lockstep_change BEGIN "
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "DELETE FROM lockstep_change WHERE seq <= NEW.seq - 1000000; "
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "END;";

/* Scans that several processes share, and what scans found. */
static const char version_2[] = "ALTER TABLE lockstep_scan ADD COLUMN products INTEGER NOT NULL DEFAULT 0;"
                                "ALTER TABLE lockstep_scan ADD COLUMN twins INTEGER NOT NULL DEFAULT 0;"
                                "ALTER TABLE lockstep_scan ADD COLUMN objects_seen INTEGER NOT NULL DEFAULT 0;"
                                "ALTER TABLE lockstep_scan ADD COLUMN rows_seen INTEGER NOT NULL DEFAULT 0;"
                                "ALTER TABLE lockstep_scan ADD COLUMN shared INTEGER NOT NULL DEFAULT 0;"
                                "ALTER TABLE lockstep_scan ADD COLUMN findings TEXT NOT NULL DEFAULT 'none';"
                                "ALTER TABLE lockstep_scan ADD COLUMN instance TEXT NOT NULL DEFAULT '';"
                                "ALTER TABLE lockstep_scan ADD COLUMN options TEXT NOT NULL DEFAULT '';"
                                "CREATE INDEX lockstep_scan_by_findings ON lockstep_scan (findings, id);"

                                "DROP TABLE lockstep_finding;" /* never used so far */
                                "CREATE TABLE lockstep_finding ("
                                "  scan INTEGER NOT NULL REFERENCES lockstep_scan (id) ON DELETE CASCADE,"
                                "  key TEXT NOT NULL,"
                                "  kind TEXT NOT NULL,"
                                "  flags INTEGER NOT NULL,"
                                "  twin INTEGER NOT NULL,"
                                "  partner TEXT,"
                                "  row_etag TEXT,"
                                "  row_size INTEGER NOT NULL,"
                                "  object_etag TEXT,"
                                "  object_size INTEGER NOT NULL,"
                                "  detail TEXT,"
                                "  PRIMARY KEY (scan, key)"
                                ") STRICT, WITHOUT ROWID;"

                                "CREATE TABLE lockstep_scan_range ("
                                "  scan INTEGER NOT NULL REFERENCES lockstep_scan (id) ON DELETE CASCADE,"
                                "  number INTEGER NOT NULL,"
                                "  prefix TEXT NOT NULL,"
                                "  after_key TEXT NOT NULL,"
                                "  last_key TEXT,"
                                "  state TEXT NOT NULL CHECK (state IN ('free', 'taken', 'done')),"
                                "  instance TEXT NOT NULL,"
                                "  turn INTEGER NOT NULL,"
                                "  beat INTEGER NOT NULL,"
                                "  store_incomplete INTEGER NOT NULL,"
                                "  catalog_incomplete INTEGER NOT NULL,"
                                "  synced INTEGER NOT NULL,"
                                "  objects_seen INTEGER NOT NULL,"
                                "  rows_seen INTEGER NOT NULL,"
                                "  errors INTEGER NOT NULL,"
                                "  messages TEXT NOT NULL,"
                                "  PRIMARY KEY (scan, number)"
                                ") STRICT, WITHOUT ROWID;";

/* The feed tells the recorded etag of an image row that is deleted or re-keyed: its record is gone or elsewhere then.
 */
#define RECORDED_ETAG "(SELECT etag FROM lockstep_object WHERE key = OLD.file_name)"
/* clang-format off */
static const char version_3[] =
    "ALTER TABLE lockstep_change ADD COLUMN etag TEXT;"

    "DROP TRIGGER lockstep_image_updated;"
    "CREATE TRIGGER lockstep_image_updated AFTER UPDATE ON product_image BEGIN "
    "INSERT INTO lockstep_change (kind, action, key, new_key, writer, etag) VALUES ('image', 'update', OLD.file_name, "
    "NEW.file_name, " WRITER ", CASE WHEN OLD.file_name <> NEW.file_name THEN " RECORDED_ETAG " END); "
    "DELETE FROM lockstep_object WHERE key = NEW.file_name AND OLD.file_name <> NEW.file_name; "
    "UPDATE lockstep_object SET key = NEW.file_name WHERE key = OLD.file_name AND OLD.file_name <> NEW.file_name; "
    "END;"

    "DROP TRIGGER lockstep_image_deleted;"
    "CREATE TRIGGER lockstep_image_deleted AFTER DELETE ON product_image BEGIN "
    "INSERT INTO lockstep_change (kind, action, key, new_key, writer, etag) VALUES ('image', 'delete', OLD.file_name, "
    "NULL, " WRITER ", " RECORDED_ETAG "); "
    "DELETE FROM lockstep_object WHERE key = OLD.file_name; "
    "END;";
/* clang-format on */

/* The inbox of what others tell of the bucket. */
static const char version_4[] = "CREATE TABLE lockstep_event ("
                                "  seq INTEGER PRIMARY KEY AUTOINCREMENT,"
                                "  at_ns INTEGER NOT NULL,"
                                "  kind TEXT NOT NULL,"
                                "  key TEXT NOT NULL,"
                                "  etag TEXT,"
                                "  sequencer TEXT"
                                ") STRICT;";

/* What no event announced. */
static const char version_5[] = "ALTER TABLE lockstep_scan ADD COLUMN unannounced INTEGER NOT NULL DEFAULT -1;";

/* What a scan found in each product. rank is minus the number of its problems, so that one index gives those with most
 * of them first and each number's products in order. */
static const char version_6[] = "CREATE TABLE lockstep_tally ("
                                "  scan INTEGER NOT NULL REFERENCES lockstep_scan (id) ON DELETE CASCADE,"
                                "  product TEXT NOT NULL,"
                                "  orphaned INTEGER NOT NULL,"
                                "  missing INTEGER NOT NULL,"
                                "  stale INTEGER NOT NULL,"
                                "  moved INTEGER NOT NULL,"
                                "  misfiled INTEGER NOT NULL,"
                                "  misplaced INTEGER NOT NULL,"
                                "  pending INTEGER NOT NULL,"
                                "  rank INTEGER NOT NULL,"
                                "  PRIMARY KEY (scan, product)"
                                ") STRICT, WITHOUT ROWID;"
                                "CREATE INDEX lockstep_tally_by_rank ON lockstep_tally (scan, rank, product);"
                                "CREATE INDEX lockstep_scan_by_scope ON lockstep_scan (scope, id);";

const char *const ls_sqlite_migrations[] = {version_1, version_2, version_3, version_4, version_5, version_6};
const unsigned ls_sqlite_schema_version = sizeof ls_sqlite_migrations / sizeof ls_sqlite_migrations[0];

/* One value of a statement that is run once: NULL text when there is no row. */
static enum ls_rc read_one(struct ls_sqlite_conn *conn, const char *sql, char *out, size_t size, bool *out_found,
                           struct ls_err *err)
{
    sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL);
    *out_found = false;
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
        if (code == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(stmt, 0);
            size_t need = text ? strlen(text) + 1 : 0;
            *out_found = need && need <= size;
            if (*out_found)
                memcpy(out, text, need);
        }
    }
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
        enum ls_rc rc = ls_sqlite_fail(conn, sqlite3_extended_errcode(conn->db), "read the schema's version", err);
        sqlite3_finalize(stmt);
        return rc;
    }
    sqlite3_finalize(stmt);
    return LS_OK;
}

enum ls_rc ls_sqlite_version(struct ls_sqlite_conn *conn, unsigned *out_version, struct ls_err *err)
{
    char text[32];
    bool found;
    *out_version = 0;
    enum ls_rc rc = read_one(conn, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'lockstep_meta'", text,
                             sizeof text, &found, err);
    if (rc != LS_OK || !found)
        return rc;
    rc =
        read_one(conn, "SELECT value FROM lockstep_meta WHERE name = 'schema_version'", text, sizeof text, &found, err);
    if (rc != LS_OK)
        return rc;
    char *end = text;
    unsigned long value = found ? strtoul(text, &end, 10) : 0;
    if (!found || *end || end == text || value == 0 || value > 1000000)
        return ls_err_set(err, LS_CORRUPT, "catalog %s: lockstep_meta has no valid schema_version", conn->cat->path);
    *out_version = (unsigned)value;
    return LS_OK;
}

static enum ls_rc refuse_newer(struct ls_sqlite_conn *conn, unsigned version, unsigned n, struct ls_err *err)
{
    if (version <= n)
        return LS_OK;
    return ls_err_set(err, LS_UNSUPPORTED,
                      "catalog %s: its schema has version %u, this program knows up to %u: use the newer lockstep that "
                      "wrote it",
                      conn->cat->path, version, n);
}

/* Nothing may be in the way of our tables, and text must be UTF-8 for keys to order by bytes. */
enum ls_rc ls_sqlite_check_free(struct ls_sqlite_conn *conn, struct ls_err *err)
{
    char text[64];
    bool found;
    enum ls_rc rc = read_one(conn,
                             "SELECT name FROM sqlite_schema WHERE name IN ('product', 'product_variant', "
                             "'product_image') OR name LIKE 'lockstep\\_%' ESCAPE '\\' LIMIT 1",
                             text, sizeof text, &found, err);
    if (rc == LS_OK && found)
        return ls_err_set(err, LS_EXISTS, "catalog %s: it has a table %s that lockstep did not make: use another file",
                          conn->cat->path, text);
    if (rc == LS_OK)
        rc = read_one(conn, "PRAGMA encoding", text, sizeof text, &found, err);
    if (rc == LS_OK && (!found || strcmp(text, "UTF-8") != 0))
        return ls_err_set(err, LS_UNSUPPORTED, "catalog %s: its encoding is not UTF-8: use another file",
                          conn->cat->path);
    return rc;
}

static enum ls_rc run_steps(struct ls_sqlite_conn *conn, const char *const *steps, unsigned n, struct ls_err *err)
{
    unsigned version;
    enum ls_rc rc = ls_sqlite_version(conn, &version, err); /* again: somebody may have been faster */
    if (rc == LS_OK)
        rc = refuse_newer(conn, version, n, err);
    if (rc == LS_OK && version == 0)
        rc = ls_sqlite_check_free(conn, err);
    for (; rc == LS_OK && version < n; version++)
        rc = ls_sqlite_exec(conn, steps[version], "make the schema", err);
    if (rc != LS_OK)
        return rc;
    char number[16];
    snprintf(number, sizeof number, "%u", n);
    LS_AUTO(ls_query) struct ls_query q;
    rc = ls_query_begin(conn, LS_SQL_META_SET, &q, err);
    if (rc != LS_OK)
        return rc;
    ls_query_text(&q, "schema_version");
    ls_query_text(&q, number);
    return ls_query_run(&q, NULL, err);
}

enum ls_rc ls_sqlite_migrate(struct ls_sqlite_conn *conn, const char *const *steps, unsigned n, struct ls_err *err)
{
    unsigned version;
    enum ls_rc rc = ls_sqlite_version(conn, &version, err);
    if (rc == LS_OK)
        rc = refuse_newer(conn, version, n, err);
    if (rc != LS_OK || version == n)
        return rc;
    rc = ls_sqlite_exec(conn, "BEGIN IMMEDIATE", "make the schema", err);
    if (rc != LS_OK)
        return rc;
    rc = run_steps(conn, steps, n, err);
    if (rc == LS_OK)
        rc = ls_sqlite_exec(conn, "COMMIT", "make the schema", err);
    if (rc != LS_OK && !sqlite3_get_autocommit(conn->db))
        (void)sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}
