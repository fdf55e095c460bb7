/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the SQLite back end share: the catalog's state, connections, and statements in use.
 *
 * One writer connection (a transaction holds it) and a pool of read-only ones (a read holds one for one call). Every
 * connection is used by one thread at a time, so all are opened without SQLite's own mutex.
 */
#ifndef LOCKSTEP_CATALOG_SQLITE_IMPL_H
#define LOCKSTEP_CATALOG_SQLITE_IMPL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "base/auto.h"
#include "catalog/arena.h"
#include "catalog/backends.h"
#include "catalog/sqlite_sql.h"
#include "lockstep/catalog.h"

#define LS_SQLITE_READERS_MAX 16

struct ls_sqlite_conn {
    sqlite3 *db;
    struct ls_sqlite *cat;
    struct ls_sqlite_conn *next; /* in the list of idle readers */
    sqlite3_stmt *stmts[LS_SQL_COUNT];
};

struct ls_sqlite_tx {
    struct ls_tx base;
    enum ls_rc broken; /* not LS_OK: a step failed halfway, commit refuses with this */
};

struct ls_sqlite {
    struct ls_catalog base;
    char *path; /* absolute, without links */
    int64_t busy_timeout_ms;
    int lock_fd;  /* <path>-lockstep: owner and liveness locks, all of them on this one description */
    int watch_fd; /* whoever waits in change_wait: inotify, -1 before the first wait and where there is none */

    pthread_mutex_t mutex;
    pthread_cond_t writer_free, reader_free;
    /* mutex: */
    bool writing;
    pthread_t writing_thread; /* while writing */
    struct ls_sqlite_conn *idle_readers;
    unsigned n_readers; /* idle or in use */

    /* whoever set writing: */
    struct ls_sqlite_conn *writer;
    struct ls_sqlite_tx tx;
    bool relaxed;              /* the writer does not sync the log at a commit */
    char id[LS_INTENT_ID_LEN]; /* writer name for lockstep_change: the instance's, before that one of its own */

    pthread_mutex_t role_mutex;
    int64_t epochs[LS_LEADS]; /* role_mutex: of the roles that are ours; 0 = not ours */

    atomic_bool is_owner; /* holds the owner lock, so it checkpoints; set by whoever set writing */
    atomic_bool has_instance;
    atomic_int_least64_t tended_ms; /* when ls_sqlite_tend last looked */
    atomic_bool unsettled;          /* a COMMIT ended with an I/O error, see ls_sqlite_settle */
};

static inline struct ls_sqlite *ls_sqlite_of(struct ls_catalog *cat) { return (struct ls_sqlite *)cat; }

/* ---- sqlite_conn.c ---- */

/* Open a connection; a reader refuses every write. */
enum ls_rc ls_sqlite_conn_open(struct ls_sqlite *cat, bool reader, struct ls_sqlite_conn **out_conn, struct ls_err *err)
    LS_MUST_CHECK;
/* Turn the write-ahead log on, for good. */
enum ls_rc ls_sqlite_conn_use_wal(struct ls_sqlite_conn *conn, struct ls_err *err) LS_MUST_CHECK;
/* Takes NULL. */
void ls_sqlite_conn_close(struct ls_sqlite_conn *conn);

/* A connection to read with: the transaction's, or one from the pool until the scope ends. */
struct ls_sqlite_reader {
    struct ls_sqlite_conn *conn;
    bool pooled;
};
enum ls_rc ls_sqlite_reader_get(struct ls_catalog *cat, struct ls_tx *tx, struct ls_sqlite_reader *out,
                                struct ls_err *err) LS_MUST_CHECK;
void ls_sqlite_reader_auto(const struct ls_sqlite_reader *reader);

/* One snapshot for several statements on a reader of the pool. */
enum ls_rc ls_sqlite_snapshot_begin(struct ls_sqlite_conn *conn, struct ls_err *err) LS_MUST_CHECK;
void ls_sqlite_snapshot_end(struct ls_sqlite_conn *conn);

/* ---- sqlite_query.c ---- */

/* A prepared statement in use; reset when the scope ends. Bind all parameters in order, then run. */
struct ls_query {
    struct ls_sqlite_reader reader; /* what ls_query_read took, until the scope ends */
    struct ls_sqlite_conn *conn;
    enum ls_sql sql;
    sqlite3_stmt *stmt;
    int n_bound;
    int bind_rc; /* the first failure of a bind */
};
enum ls_rc ls_query_begin(struct ls_sqlite_conn *conn, enum ls_sql sql, struct ls_query *out, struct ls_err *err)
    LS_MUST_CHECK;
/* The same for a statement of a transaction, and for one that reads, within a transaction or (tx NULL) without. */
enum ls_rc ls_query_write(struct ls_tx *tx, enum ls_sql sql, struct ls_query *out, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_query_read(struct ls_catalog *cat, struct ls_tx *tx, enum ls_sql sql, struct ls_query *out,
                         struct ls_err *err) LS_MUST_CHECK;
/* The text must stay until the query is reset; NULL binds SQL NULL. */
void ls_query_text(struct ls_query *query, const char *text);
void ls_query_int(struct ls_query *query, int64_t value);
void ls_query_null(struct ls_query *query);
/* Upper bound that is greater than every text. */
void ls_query_after_all(struct ls_query *query);
/* Step: *out_row tells whether there is a row. */
enum ls_rc ls_query_row(struct ls_query *query, bool *out_row, struct ls_err *err) LS_MUST_CHECK;
/* Run a statement that gives no rows; out_changes (may be NULL) is the number of rows it changed. */
enum ls_rc ls_query_run(struct ls_query *query, int *out_changes, struct ls_err *err) LS_MUST_CHECK;
/* Make it ready for other values. */
void ls_query_again(struct ls_query *query);
void ls_query_auto(struct ls_query *query);

/* The column's text in the arena; NULL for SQL NULL. LS_CORRUPT when it holds a NUL byte. */
enum ls_rc ls_query_get_text(struct ls_query *query, int column, struct ls_arena *arena, const char **out,
                             struct ls_err *err) LS_MUST_CHECK;
/* As above, but `same` (may be NULL) is returned when the text is equal to it. */
enum ls_rc ls_query_get_shared(struct ls_query *query, int column, struct ls_arena *arena, const char *same,
                               const char **out, struct ls_err *err) LS_MUST_CHECK;
/* Read the one number that a statement without values gives; 0 when it gives none. */
enum ls_rc ls_sqlite_number(struct ls_sqlite_conn *conn, enum ls_sql sql, int64_t *out, struct ls_err *err)
    LS_MUST_CHECK;
enum ls_rc ls_sqlite_count(struct ls_catalog *cat, enum ls_sql sql, uint64_t *out_count, struct ls_err *err)
    LS_MUST_CHECK;
/* The column's text in a fixed field ("" for SQL NULL). LS_CORRUPT when it does not fit. */
enum ls_rc ls_query_get_fixed(struct ls_query *query, int column, char *out, size_t size, struct ls_err *err)
    LS_MUST_CHECK;
int64_t ls_query_get_int(struct ls_query *query, int column);
/* A time that is stored as ISO text; 0 when it is none. */
int64_t ls_query_get_time(struct ls_query *query, int column);

/* Write the error for a result code of SQLite and return its class. `what` says what was tried. */
enum ls_rc ls_sqlite_fail(struct ls_sqlite_conn *conn, int code, const char *what, struct ls_err *err);
/* SQLite's name of a (primary or extended) result code: "SQLITE_FULL". */
const char *ls_sqlite_code_name(int code);
enum ls_rc ls_sqlite_code_class(int code);

/* Run static SQL text (several statements are allowed). */
enum ls_rc ls_sqlite_exec(struct ls_sqlite_conn *conn, const char *sql, const char *what, struct ls_err *err)
    LS_MUST_CHECK;

/* Make room for one more item of `size` bytes in a growing array. */
enum ls_rc ls_sqlite_grow(void *items_ptr, size_t n, size_t *cap, size_t size, struct ls_err *err) LS_MUST_CHECK;
/* Read one row of a query into an item of a page, which is all zeros. */
typedef enum ls_rc ls_query_reader(struct ls_query *query, void *item, struct ls_arena *arena, struct ls_err *err);
/* Read all rows that are left into a growing array of items of `size` bytes and, unless memory is NULL, its arena, made
 * when there is none yet. After a failure the page is empty. */
enum ls_rc ls_query_read_items(struct ls_query *query, ls_query_reader *read, size_t size, void *items_ptr, size_t *n,
                               size_t *cap, void **memory, struct ls_err *err) LS_MUST_CHECK;

/* A row's id as text → number; false when the text is no such id. */
bool ls_sqlite_id_parse(const char *text, int64_t *out_id);

/* ---- sqlite_tx.c ---- */

/* Watch the writer's commits, to checkpoint when we are the owner. */
void ls_sqlite_tx_watch(struct ls_sqlite *cat);
/* Checkpoint what other processes have appended, if we are or can become the owner: for calls that are made regularly.
 * Does so once a second at most and never waits for a lock. */
void ls_sqlite_tend(struct ls_sqlite *cat);

enum ls_rc ls_sqlite_begin(struct ls_catalog *cat, struct ls_tx **out_tx, struct ls_err *err);
enum ls_rc ls_sqlite_begin_relaxed(struct ls_catalog *cat, struct ls_tx **out_tx, struct ls_err *err);
enum ls_rc ls_sqlite_commit(struct ls_tx *tx, struct ls_err *err);
void ls_sqlite_rollback(struct ls_tx *tx);
static inline void ls_sqlite_tx_auto(struct ls_tx *const *owned) { ls_sqlite_rollback(*owned); }

/* The connection of a transaction that can still be used; its failure otherwise. */
enum ls_rc ls_sqlite_tx_conn(struct ls_tx *tx, struct ls_sqlite_conn **out_conn, struct ls_err *err) LS_MUST_CHECK;
/* A step of several statements failed: only rollback is possible now. Returns rc. */
enum ls_rc ls_sqlite_tx_spoil(struct ls_tx *tx, enum ls_rc rc);

/* Take and leave the writer connection without a transaction. */
enum ls_rc ls_sqlite_writer_take(struct ls_sqlite *cat, struct ls_err *err) LS_MUST_CHECK;
void ls_sqlite_writer_leave(struct ls_sqlite *cat);

/* After a COMMIT whose outcome is unknown: write once more, so that the rows that are read now cannot change by a
 * recovery of the log. No-op otherwise. The caller holds no transaction. LS_OUTCOME_UNKNOWN while that fails. */
enum ls_rc ls_sqlite_settle(struct ls_sqlite *cat, struct ls_err *err) LS_MUST_CHECK;

/* ---- sqlite_schema.c ---- */

/* What brings the schema from version i to i + 1: static SQL. */
extern const char *const ls_sqlite_migrations[];
extern const unsigned ls_sqlite_schema_version;

/* The version in the database; 0 when it has no lockstep tables. */
enum ls_rc ls_sqlite_version(struct ls_sqlite_conn *conn, unsigned *out_version, struct ls_err *err) LS_MUST_CHECK;
/* LS_EXISTS when somebody else's tables are in the way of ours, LS_UNSUPPORTED when text is not UTF-8. */
enum ls_rc ls_sqlite_check_free(struct ls_sqlite_conn *conn, struct ls_err *err) LS_MUST_CHECK;
/* Bring the schema to version n, all in one transaction. LS_UNSUPPORTED when it is newer than that. The caller holds
 * the writer. */
enum ls_rc ls_sqlite_migrate(struct ls_sqlite_conn *conn, const char *const *steps, unsigned n, struct ls_err *err)
    LS_MUST_CHECK;

/* ---- sqlite_lock.c ---- */

/* Open the lock file beside the database. */
enum ls_rc ls_sqlite_lock_open(struct ls_sqlite *cat, struct ls_err *err) LS_MUST_CHECK;
/* Try to become the one that checkpoints; true when we are. The caller holds the writer. */
bool ls_sqlite_own(struct ls_sqlite *cat);
/* Hold the lock of a role until lock_fd is closed. LS_BUSY: another open description holds it. */
enum ls_rc ls_sqlite_lock_role(struct ls_sqlite *cat, enum ls_lead role, struct ls_err *err) LS_MUST_CHECK;
void ls_sqlite_unlock_role(struct ls_sqlite *cat, enum ls_lead role);
/* Hold the liveness lock of an instance number until lock_fd is closed. */
enum ls_rc ls_sqlite_lock_instance(struct ls_sqlite *cat, int64_t number, struct ls_err *err) LS_MUST_CHECK;
/* Leave it again, when the row was not written. */
void ls_sqlite_unlock_instance(struct ls_sqlite *cat, int64_t number);
/* Does another open description hold it? */
enum ls_rc ls_sqlite_lock_held(struct ls_sqlite *cat, int64_t number, bool *out_held, struct ls_err *err) LS_MUST_CHECK;

/* ---- the operations, by subject ---- */

/* sqlite_instance.c */
enum ls_rc ls_sqlite_instance_start(struct ls_catalog *, const char *, char[LS_INTENT_ID_LEN], struct ls_err *);
enum ls_rc ls_sqlite_instance_alive(struct ls_catalog *, const char *, bool *, struct ls_err *);
enum ls_rc ls_sqlite_instance_term(struct ls_catalog *, uint64_t *, struct ls_err *);
enum ls_rc ls_sqlite_instance_list(struct ls_catalog *, struct ls_instance_page *, struct ls_err *);
/* Remove our own row unless intents are left; for close. */
void ls_sqlite_instance_end(struct ls_sqlite *cat);
enum ls_rc ls_sqlite_leader_take(struct ls_catalog *, enum ls_lead, int64_t *, struct ls_err *);
void ls_sqlite_leader_leave(struct ls_catalog *, enum ls_lead);

/* sqlite_image.c */
enum ls_rc ls_sqlite_images_get(struct ls_catalog *, struct ls_tx *, const char *const *, size_t,
                                struct ls_image_page *, struct ls_err *);
enum ls_rc ls_sqlite_image_page(struct ls_catalog *, struct ls_tx *, const char *, const char *, unsigned,
                                struct ls_image_page *, struct ls_err *);
enum ls_rc ls_sqlite_variant_images(struct ls_catalog *, struct ls_tx *, const char *, const char *, unsigned,
                                    struct ls_image_page *, struct ls_err *);

/* sqlite_image_count.c */
enum ls_rc ls_sqlite_image_count(struct ls_catalog *, const char *, const char *, uint64_t *, uint64_t *,
                                 struct ls_err *);
enum ls_rc ls_sqlite_image_splits(struct ls_catalog *, unsigned, struct ls_name_page *, struct ls_err *);

/* sqlite_image_write.c */
enum ls_rc ls_sqlite_images_write(struct ls_tx *, const struct ls_image_write *, size_t, struct ls_err *);
enum ls_rc ls_sqlite_images_delete(struct ls_tx *, const struct ls_image_ref *, size_t, struct ls_err *);
enum ls_rc ls_sqlite_image_attr(struct ls_tx *, const char *, const struct ls_attr *, struct ls_err *);

/* sqlite_product.c */
enum ls_rc ls_sqlite_product_page(struct ls_catalog *, struct ls_tx *, const char *, unsigned, struct ls_name_page *,
                                  struct ls_err *);
enum ls_rc ls_sqlite_product_count(struct ls_catalog *, uint64_t *, struct ls_err *);
enum ls_rc ls_sqlite_product_exists(struct ls_catalog *, struct ls_tx *, const char *, bool *, struct ls_err *);
enum ls_rc ls_sqlite_product_add(struct ls_tx *, const char *, struct ls_err *);
enum ls_rc ls_sqlite_product_remove(struct ls_tx *, const char *, struct ls_err *);
enum ls_rc ls_sqlite_product_rename(struct ls_tx *, const char *, const char *, struct ls_err *);
enum ls_rc ls_sqlite_variant_list(struct ls_catalog *, struct ls_tx *, const char *, struct ls_variant_page *,
                                  struct ls_err *);
enum ls_rc ls_sqlite_variant_get(struct ls_catalog *, struct ls_tx *, const char *, const char *, struct ls_variant *,
                                 struct ls_err *);
enum ls_rc ls_sqlite_variant_add(struct ls_tx *, const char *, const char *, struct ls_variant *, struct ls_err *);
enum ls_rc ls_sqlite_variant_set(struct ls_tx *, const struct ls_variant *, struct ls_err *);
enum ls_rc ls_sqlite_variant_remove(struct ls_tx *, const char *, struct ls_err *);

/* sqlite_folder.c */
enum ls_rc ls_sqlite_folder_get(struct ls_catalog *, struct ls_tx *, const char *, struct ls_folder *, struct ls_err *);
enum ls_rc ls_sqlite_folder_children(struct ls_catalog *, struct ls_tx *, const char *, struct ls_folder_page *,
                                     struct ls_err *);
enum ls_rc ls_sqlite_folder_put(struct ls_tx *, const struct ls_folder *, struct ls_err *);
enum ls_rc ls_sqlite_folder_remove(struct ls_tx *, const char *, bool, struct ls_err *);
enum ls_rc ls_sqlite_folder_rename(struct ls_tx *, const char *, const char *, struct ls_err *);

/* sqlite_change.c */
enum ls_rc ls_sqlite_change_last(struct ls_catalog *, int64_t *, struct ls_err *);
enum ls_rc ls_sqlite_change_page(struct ls_catalog *, int64_t, unsigned, struct ls_change_page *, struct ls_err *);

/* sqlite_watch.c */
enum ls_rc ls_sqlite_change_wait(struct ls_catalog *, int64_t, int64_t, int, int64_t *, struct ls_err *);

/* sqlite_claim.c */
/* LS_BUSY when one of the claims overlaps one that is in the journal. */
enum ls_rc ls_sqlite_claims_check(struct ls_sqlite_conn *, const struct ls_claim *, size_t, struct ls_err *)
    LS_MUST_CHECK;
enum ls_rc ls_sqlite_intents_cover(struct ls_catalog *, struct ls_tx *, const char *const *, size_t, bool *,
                                   struct ls_err *);

/* sqlite_journal.c */
enum ls_rc ls_sqlite_intent_add(struct ls_tx *, const struct ls_intent *, const struct ls_claim *, size_t,
                                const struct ls_intent_item *, size_t, struct ls_err *);
enum ls_rc ls_sqlite_intent_item_set(struct ls_tx *, const char *, const struct ls_intent_item *, struct ls_err *);
enum ls_rc ls_sqlite_intent_commit(struct ls_tx *, const char *, const char *, struct ls_err *);
enum ls_rc ls_sqlite_intent_take(struct ls_tx *, const char *, const char *, const char *, struct ls_err *);
enum ls_rc ls_sqlite_intent_close(struct ls_tx *, const char *, const char *, struct ls_err *);
enum ls_rc ls_sqlite_intent_get(struct ls_catalog *, struct ls_tx *, const char *, struct ls_intent *, struct ls_err *);
enum ls_rc ls_sqlite_intent_list(struct ls_catalog *, struct ls_tx *, struct ls_intent_page *, struct ls_err *);
enum ls_rc ls_sqlite_intent_item_count(struct ls_catalog *, const char *, uint64_t *, struct ls_err *);
enum ls_rc ls_sqlite_intent_items(struct ls_catalog *, struct ls_tx *, const char *, int64_t, unsigned,
                                  struct ls_intent_item_page *, struct ls_err *);

/* sqlite_side.c */
enum ls_rc ls_sqlite_audit_add(struct ls_tx *, const struct ls_audit *, size_t, struct ls_err *);
enum ls_rc ls_sqlite_audit_page(struct ls_catalog *, int64_t, const char *, unsigned, struct ls_audit_page *,
                                struct ls_err *);
enum ls_rc ls_sqlite_trash_add(struct ls_tx *, const struct ls_trash *, struct ls_err *);
enum ls_rc ls_sqlite_trash_remove(struct ls_tx *, const char *, struct ls_err *);
enum ls_rc ls_sqlite_trash_page(struct ls_catalog *, struct ls_tx *, const char *, const char *, unsigned,
                                struct ls_trash_page *, struct ls_err *);
enum ls_rc ls_sqlite_meta_get(struct ls_catalog *, struct ls_tx *, const char *, char **, struct ls_err *);
enum ls_rc ls_sqlite_meta_set(struct ls_tx *, const char *, const char *, struct ls_err *);

/* sqlite_event.c */
enum ls_rc ls_sqlite_event_add(struct ls_tx *, const struct ls_event *, size_t, struct ls_err *);
enum ls_rc ls_sqlite_event_page(struct ls_catalog *, int64_t, unsigned, struct ls_event_page *, struct ls_err *);
enum ls_rc ls_sqlite_event_count(struct ls_catalog *, uint64_t *, struct ls_err *);
enum ls_rc ls_sqlite_event_remove(struct ls_tx *, const int64_t *, size_t, struct ls_err *);

/* sqlite_scan.c */
enum ls_rc ls_sqlite_scan_put(struct ls_catalog *, struct ls_scan_row *, struct ls_err *);
enum ls_rc ls_sqlite_scan_write(struct ls_tx *, struct ls_scan_row *, struct ls_err *);
enum ls_rc ls_sqlite_scan_get(struct ls_catalog *, int64_t, struct ls_scan_row *, struct ls_err *);
enum ls_rc ls_sqlite_scan_whole(struct ls_catalog *, enum ls_whole_scan, struct ls_scan_row *, struct ls_err *);
enum ls_rc ls_sqlite_scan_running(struct ls_catalog *, struct ls_tx *, struct ls_scan_row *, struct ls_err *);
enum ls_rc ls_sqlite_scan_tidy(struct ls_catalog *, bool *, struct ls_err *);
enum ls_rc ls_sqlite_scan_ranges_add(struct ls_tx *, const struct ls_scan_range *, size_t, struct ls_err *);
enum ls_rc ls_sqlite_scan_ranges(struct ls_catalog *, struct ls_tx *, int64_t, struct ls_scan_range_page *,
                                 struct ls_err *);
enum ls_rc ls_sqlite_scan_range_take(struct ls_tx *, int64_t, const char *, int64_t *, int64_t *, struct ls_err *);
enum ls_rc ls_sqlite_scan_range_take_over(struct ls_tx *, const struct ls_scan_range *, const char *, int64_t *,
                                          struct ls_err *);
enum ls_rc ls_sqlite_scan_range_set(struct ls_tx *, const struct ls_scan_range *, struct ls_err *);
enum ls_rc ls_sqlite_scan_beat(struct ls_catalog *, int64_t, const char *, struct ls_err *);
enum ls_rc ls_sqlite_findings_put(struct ls_tx *, int64_t, const struct ls_scan_finding *, size_t, struct ls_err *);
enum ls_rc ls_sqlite_findings_remove(struct ls_tx *, int64_t, const char *, const char *, const char *,
                                     struct ls_err *);
enum ls_rc ls_sqlite_findings_get(struct ls_catalog *, int64_t, const char *const *, size_t,
                                  struct ls_scan_finding_page *, struct ls_err *);
enum ls_rc ls_sqlite_finding_page(struct ls_catalog *, int64_t, const char *, unsigned, struct ls_scan_finding_page *,
                                  struct ls_err *);

/* sqlite_table.c */
enum ls_rc ls_sqlite_tally_put(struct ls_tx *, int64_t, const struct ls_tally *, size_t, struct ls_err *);
enum ls_rc ls_sqlite_product_table(struct ls_catalog *, const struct ls_table_query *, struct ls_table_page *,
                                   struct ls_err *);

/* sqlite_backup.c */
enum ls_rc ls_sqlite_backup(struct ls_catalog *, const char *, struct ls_err *);

#endif
