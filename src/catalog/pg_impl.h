/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the PostgreSQL back end share: the catalog's state, connections, and statements with their values.
 *
 * One writer connection (a transaction holds it), a pool of connections that read (a read holds one for one statement),
 * and one that does nothing but hold this instance's liveness lock. Every connection is used by one thread at a time
 * and stays in pipeline mode: whatever is queued goes out together and costs one round trip.
 */
#ifndef LOCKSTEP_CATALOG_PG_IMPL_H
#define LOCKSTEP_CATALOG_PG_IMPL_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/auto.h"
#include "catalog/arena.h"
#include "catalog/backends.h"
#include "catalog/mapping.h"
#include "catalog/pg_sql.h"
#include "lockstep/catalog.h"

#define LS_PG_READERS_MAX 16
#define LS_PG_BATCH 256 /* statements that go out together at most */
#define LS_PG_VALUES_MAX 24

struct ls_pg;

struct ls_pg_conn {
    PGconn *pg;
    struct ls_pg *cat;
    struct ls_pg_conn *next; /* in the list of idle ones */
    bool patient;            /* a statement may take as long as it likes */
    bool brief;              /* none takes long: who has waited for some seconds has lost it */
    bool dead;               /* the connection is lost, or in a state that nobody knows */
    bool late;               /* it is dead because no answer came in time */
    bool prepared[LS_PG_COUNT];
    struct {
        enum ls_pg_sql sql;
        bool prepare;
    } queue[2 * LS_PG_BATCH + 8];
    unsigned n_queued;
};

struct ls_pg_tx {
    struct ls_tx base;
    enum ls_rc broken; /* not LS_OK: a step failed halfway or the connection is lost, commit refuses with this */
};

struct ls_pg {
    struct ls_catalog base;
    char *url;
    char label[256]; /* "host=… dbname=…", for messages */
    int64_t busy_timeout_ms, deadline_ms;
    struct ls_mapping mapping; /* resolved when the catalog is opened; read-only then */
    char *sql[LS_PG_COUNT];    /* the statements over it; NULL before */

    pthread_mutex_t mutex;
    pthread_cond_t writer_free, reader_free;
    /* mutex: */
    bool writing;
    pthread_t writing_thread; /* while writing */
    struct ls_pg_conn *idle;
    unsigned n_readers; /* idle or in use */

    struct ls_pg_conn *listener; /* of the thread that waits for changes */

    /* whoever set writing: */
    struct ls_pg_conn *writer; /* NULL when there is none yet, or it was lost */
    struct ls_pg_tx tx;
    char id[LS_INTENT_ID_LEN]; /* writer name for lockstep_change: the instance's, before that one of its own */
    char kind[16];
    int64_t number, started_ns;

    pthread_mutex_t live_lock;
    /* live_lock: */
    int64_t epochs[LS_LEADS]; /* of the roles whose lock `live` holds; 0 = not ours */
    struct ls_pg_conn *live;  /* holds the liveness lock of `number` */
    uint64_t term;            /* how often that lock was taken */
    int64_t heard_ms;         /* when the server last said that it is held */

    atomic_bool has_instance;
    atomic_bool unsettled; /* a COMMIT was sent and its answer never came, see ls_pg_settle */
};

static inline struct ls_pg *ls_pg_of(struct ls_catalog *cat) { return (struct ls_pg *)cat; }

/* ---- pg_query.c: values of one statement ---- */

struct ls_pg_query {
    enum ls_pg_sql sql;
    int n;
    bool not_utf8;    /* a text that no text column can hold */
    bool must_change; /* no row changed is a failure: LS_NOT_FOUND */
    char *owned[2];   /* texts that were made fit */
    const char *values[LS_PG_VALUES_MAX];
    int lengths[LS_PG_VALUES_MAX];
    char ints[LS_PG_VALUES_MAX][8];
};
void ls_pg_query_init(struct ls_pg_query *query, enum ls_pg_sql sql);
void ls_pg_query_auto(struct ls_pg_query *query);
/* Bind the next value. Text must stay until the query was sent; NULL binds SQL NULL. ls_pg_bytes for bytea. */
void ls_pg_text(struct ls_pg_query *query, const char *text);
void ls_pg_bytes(struct ls_pg_query *query, const char *text);
void ls_pg_blob(struct ls_pg_query *query, const char *data, size_t len);
void ls_pg_int(struct ls_pg_query *query, int64_t value);
void ls_pg_null(struct ls_pg_query *query);
void ls_pg_time(struct ls_pg_query *query, int64_t ns);
/* Text for people: what is no UTF-8 in it is replaced. */
void ls_pg_prose(struct ls_pg_query *query, const char *text);

/* Bind the constants that an INSERT into this table has at its end. */
void ls_pg_constants(struct ls_pg_query *query, const struct ls_map_table *table);

/* Values of an array parameter. */
struct ls_buf;
enum ls_pg_type { LS_PG_BOOL = 16, LS_PG_BYTEA = 17, LS_PG_TEXT = 25 };
enum ls_rc ls_pg_array_begin(struct ls_buf *buf, enum ls_pg_type type, size_t n, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_pg_array_add(struct ls_buf *buf, const char *data, size_t len, struct ls_err *err) LS_MUST_CHECK;

/* Rows that were read. */
static inline void ls_pg_result_auto(PGresult **owned) { PQclear(*owned); }
int64_t ls_pg_get_int(const PGresult *res, int row, int column); /* any integer or boolean; 0 for NULL */
int64_t ls_pg_get_time(const PGresult *res, int row, int column);
enum ls_rc ls_pg_get_text(const PGresult *res, int row, int column, struct ls_arena *arena, const char **out,
                          struct ls_err *err) LS_MUST_CHECK;
/* As above, but `same` (may be NULL) is returned when the text is equal to it. */
enum ls_rc ls_pg_get_shared(const PGresult *res, int row, int column, struct ls_arena *arena, const char *same,
                            const char **out, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_pg_get_fixed(const PGresult *res, int row, int column, char *out, size_t size, struct ls_err *err)
    LS_MUST_CHECK;

/* ---- pg_conn.c ---- */

/* Connect and set the session up; tries again until the deadline (ls_monotonic_ms) when the server may come back. */
enum ls_rc ls_pg_conn_open(struct ls_pg *cat, int64_t deadline_ms, struct ls_pg_conn **out_conn, struct ls_err *err)
    LS_MUST_CHECK;
void ls_pg_conn_close(struct ls_pg_conn *conn); /* takes NULL */
static inline void ls_pg_conn_auto(struct ls_pg_conn *const *owned) { ls_pg_conn_close(*owned); }
/* When to give up an answer that is waited for from now on: the server itself ends its statements before. */
int64_t ls_pg_conn_deadline(const struct ls_pg_conn *conn);
/* Wait until an answer can be taken; false (late and dead) when the deadline has passed. */
bool ls_pg_conn_wait(struct ls_pg_conn *conn, int64_t deadline_ms);
/* The same for the next row of a COPY, during which libpq never counts as busy. */
bool ls_pg_conn_read(struct ls_pg_conn *conn, int64_t deadline_ms);
/* Has the other side hung up? Asks nothing over the network. */
bool ls_pg_conn_lost(struct ls_pg_conn *conn);

/* A connection to read with, until it is given back. */
enum ls_rc ls_pg_reader_take(struct ls_pg *cat, int64_t deadline_ms, struct ls_pg_conn **out_conn, struct ls_err *err)
    LS_MUST_CHECK;
void ls_pg_reader_give(struct ls_pg_conn *conn);

/* The class of an SQLSTATE; and the error of a result. */
enum ls_rc ls_pg_state_class(const char *state);
enum ls_rc ls_pg_fail(struct ls_pg_conn *conn, const PGresult *res, const char *what, struct ls_err *err);

/* ---- pg_wire.c: sending and collecting ---- */

/* Queue a statement; it is prepared on the way when it was not yet. */
enum ls_rc ls_pg_send(struct ls_pg_conn *conn, const struct ls_pg_query *query, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_pg_send_plain(struct ls_pg_conn *conn, enum ls_pg_sql sql, struct ls_err *err) LS_MUST_CHECK;
/* Send what is queued, wait for all answers. results (n of them, the caller clears them, NULL allowed) get those of
 * the statements in order. The first failure is returned, with its position in *out_failed (may be NULL). LS_TRANSIENT
 * and conn->dead when the connection was lost. */
enum ls_rc ls_pg_flush(struct ls_pg_conn *conn, PGresult **results, size_t n, size_t *out_failed, struct ls_err *err)
    LS_MUST_CHECK;

/* Run SQL text of several statements outside of pipeline mode; out_last (may be NULL) gets the last answer. */
enum ls_rc ls_pg_script(struct ls_pg_conn *conn, const char *sql, const char *what, PGresult **out_last,
                        struct ls_err *err) LS_MUST_CHECK;

/* One statement that reads; a lost connection outside of a transaction is replaced and the statement repeated. */
enum ls_rc ls_pg_read(struct ls_catalog *cat, struct ls_tx *tx, const struct ls_pg_query *query, PGresult **out,
                      struct ls_err *err) LS_MUST_CHECK;
/* Read one row of an answer into an item of a page, which is all zeros. */
typedef enum ls_rc ls_pg_reader(const PGresult *res, int row, void *item, struct ls_arena *arena, struct ls_err *err);
/* Read all that a statement gives into a page: an array of items of `size` bytes and, unless out_memory is NULL, their
 * arena. After a failure the page is as it was. */
enum ls_rc ls_pg_read_page(struct ls_catalog *cat, struct ls_tx *tx, const struct ls_pg_query *query,
                           ls_pg_reader *read, size_t size, void *items_ptr, size_t *out_n, void **out_memory,
                           struct ls_err *err) LS_MUST_CHECK;
/* Read the one number that a statement without values gives; 0 when it gives none. */
enum ls_rc ls_pg_number(struct ls_catalog *cat, struct ls_tx *tx, enum ls_pg_sql sql, int64_t *out, struct ls_err *err)
    LS_MUST_CHECK;
enum ls_rc ls_pg_count(struct ls_catalog *cat, enum ls_pg_sql sql, uint64_t *out_count, struct ls_err *err)
    LS_MUST_CHECK;
/* One statement that writes, between savepoints: a refusal leaves the transaction as it was. out_res may be NULL. */
enum ls_rc ls_pg_run(struct ls_tx *tx, const struct ls_pg_query *query, int *out_changes, PGresult **out_res,
                     struct ls_err *err) LS_MUST_CHECK;
/* Many statements that write, batch by batch; a failure spoils the transaction. `fill` makes the i-th of n (it may
 * leave LS_PG_NONE); *out_failed (may be NULL) is the number of the one that failed. */
typedef enum ls_rc ls_pg_fill(void *ctx, size_t i, struct ls_pg_query *query, struct ls_err *err);
enum ls_rc ls_pg_run_many(struct ls_tx *tx, size_t n, ls_pg_fill *fill, void *ctx, size_t *out_failed,
                          struct ls_err *err) LS_MUST_CHECK;

/* ---- pg_tx.c ---- */

enum ls_rc ls_pg_begin(struct ls_catalog *cat, struct ls_tx **out_tx, struct ls_err *err);
enum ls_rc ls_pg_begin_relaxed(struct ls_catalog *cat, struct ls_tx **out_tx, struct ls_err *err);
enum ls_rc ls_pg_commit(struct ls_tx *tx, struct ls_err *err);
void ls_pg_rollback(struct ls_tx *tx);
static inline void ls_pg_tx_auto(struct ls_tx *const *owned) { ls_pg_rollback(*owned); }
/* The connection of a transaction that can still be used; its failure otherwise. */
enum ls_rc ls_pg_tx_conn(struct ls_tx *tx, struct ls_pg_conn **out_conn, struct ls_err *err) LS_MUST_CHECK;
/* A step of several statements failed: only rollback is possible now. Returns rc. */
enum ls_rc ls_pg_tx_spoil(struct ls_tx *tx, enum ls_rc rc);
/* Take and leave the writer without a transaction. */
enum ls_rc ls_pg_writer_take(struct ls_pg *cat, struct ls_err *err) LS_MUST_CHECK;
void ls_pg_writer_leave(struct ls_pg *cat);
/* The writer's connection, made anew when it was lost. The caller holds the writer. */
enum ls_rc ls_pg_writer_conn(struct ls_pg *cat, int64_t deadline_ms, struct ls_err *err) LS_MUST_CHECK;
/* After a COMMIT whose answer never came: wait until that transaction has ended, one way or the other, so that the rows
 * that are read now stay. No-op otherwise. The caller holds no transaction. */
enum ls_rc ls_pg_settle(struct ls_pg *cat, struct ls_err *err) LS_MUST_CHECK;

/* ---- pg.c ---- */

/* A catalog with nothing but its writer's connection: neither the schema nor the mapping is looked at. */
enum ls_rc ls_pg_connect(const struct ls_pg_opts *opts, struct ls_catalog **out_cat, struct ls_err *err) LS_MUST_CHECK;

/* ---- pg_resolve.c ---- */

/* Look the mapping's tables and columns up in the database, and refuse what cannot serve. */
enum ls_rc ls_pg_resolve(struct ls_pg_conn *conn, struct ls_mapping *mapping, struct ls_err *err) LS_MUST_CHECK;
/* The same for the catalog's own mapping, and make its statements. */
enum ls_rc ls_pg_prepare_sql(struct ls_pg_conn *conn, struct ls_err *err) LS_MUST_CHECK;

/* ---- pg_schema.c ---- */

/* Each step is a template over the mapping. */
extern const char *const ls_pg_migrations[];
extern const unsigned ls_pg_schema_version;
/* The version in the database; 0 when it has no lockstep tables. */
enum ls_rc ls_pg_version(struct ls_pg_conn *conn, unsigned *out_version, struct ls_err *err) LS_MUST_CHECK;
/* Bring the schema to version n, all in one transaction. LS_UNSUPPORTED when it is newer than that. */
enum ls_rc ls_pg_migrate(struct ls_pg_conn *conn, const char *const *steps, unsigned n, struct ls_err *err)
    LS_MUST_CHECK;

/* Make the schema in the transaction that is open. */
enum ls_rc ls_pg_schema_make(struct ls_pg_conn *conn, struct ls_err *err) LS_MUST_CHECK;

/* ---- pg_attach.c ---- */

/* Connect for questions about whole tables, which may be large. */
enum ls_rc ls_pg_connect_patient(const struct ls_pg_opts *opts, struct ls_catalog **out_cat, struct ls_err *err)
    LS_MUST_CHECK;
/* Begin a transaction beside which nobody else of ours is at work; LS_BUSY otherwise. */
enum ls_rc ls_pg_alone(struct ls_catalog *base, struct ls_err *err) LS_MUST_CHECK;
/* Remove all that is in a schema of ours, and our triggers, whoever owns the tables. */
enum ls_rc ls_pg_schema_drop(struct ls_pg_conn *conn, const char *schema, struct ls_err *err) LS_MUST_CHECK;

/* ---- pg_schema.c ---- */

/* Are the triggers in the database those of this (resolved) mapping? LS_CONFLICT says what to do. */
enum ls_rc ls_pg_mapping_same(struct ls_pg_conn *conn, struct ls_err *err) LS_MUST_CHECK;

/* ---- the operations, by subject ---- */

/* pg_instance.c */
enum ls_rc ls_pg_instance_start(struct ls_catalog *, const char *, char[LS_INTENT_ID_LEN], struct ls_err *);
enum ls_rc ls_pg_instance_alive(struct ls_catalog *, const char *, bool *, struct ls_err *);
enum ls_rc ls_pg_instance_term(struct ls_catalog *, uint64_t *, struct ls_err *);
enum ls_rc ls_pg_instance_list(struct ls_catalog *, struct ls_instance_page *, struct ls_err *);
/* Hold the liveness lock again when its connection was lost; nothing without an instance. */
enum ls_rc ls_pg_instance_hold(struct ls_pg *cat, int64_t deadline_ms, struct ls_err *err) LS_MUST_CHECK;
/* Remove our own row unless intents are left; for close. */
void ls_pg_instance_end(struct ls_pg *cat);
enum ls_rc ls_pg_leader_take(struct ls_catalog *, enum ls_lead, int64_t *, struct ls_err *);
void ls_pg_leader_leave(struct ls_catalog *, enum ls_lead);

/* pg_image.c */
enum ls_rc ls_pg_images_get(struct ls_catalog *, struct ls_tx *, const char *const *, size_t, struct ls_image_page *,
                            struct ls_err *);
enum ls_rc ls_pg_image_page(struct ls_catalog *, struct ls_tx *, const char *, const char *, unsigned,
                            struct ls_image_page *, struct ls_err *);
enum ls_rc ls_pg_variant_images(struct ls_catalog *, struct ls_tx *, const char *, const char *, unsigned,
                                struct ls_image_page *, struct ls_err *);
enum ls_rc ls_pg_image_count(struct ls_catalog *, const char *, const char *, uint64_t *, uint64_t *, struct ls_err *);
enum ls_rc ls_pg_image_splits(struct ls_catalog *, unsigned, struct ls_name_page *, struct ls_err *);

/* pg_image_write.c */
enum ls_rc ls_pg_images_write(struct ls_tx *, const struct ls_image_write *, size_t, struct ls_err *);
enum ls_rc ls_pg_images_delete(struct ls_tx *, const struct ls_image_ref *, size_t, struct ls_err *);
enum ls_rc ls_pg_image_attr(struct ls_tx *, const char *, const struct ls_attr *, struct ls_err *);

/* pg_product.c */
/* One column of names as a page. */
enum ls_rc ls_pg_names(const PGresult *res, struct ls_name_page *out, struct ls_err *err) LS_MUST_CHECK;
enum ls_rc ls_pg_product_page(struct ls_catalog *, struct ls_tx *, const char *, unsigned, struct ls_name_page *,
                              struct ls_err *);
enum ls_rc ls_pg_product_count(struct ls_catalog *, uint64_t *, struct ls_err *);
enum ls_rc ls_pg_product_exists(struct ls_catalog *, struct ls_tx *, const char *, bool *, struct ls_err *);
enum ls_rc ls_pg_product_add(struct ls_tx *, const char *, struct ls_err *);
enum ls_rc ls_pg_product_remove(struct ls_tx *, const char *, struct ls_err *);
enum ls_rc ls_pg_product_rename(struct ls_tx *, const char *, const char *, struct ls_err *);
enum ls_rc ls_pg_variant_list(struct ls_catalog *, struct ls_tx *, const char *, struct ls_variant_page *,
                              struct ls_err *);
enum ls_rc ls_pg_variant_get(struct ls_catalog *, struct ls_tx *, const char *, const char *, struct ls_variant *,
                             struct ls_err *);
enum ls_rc ls_pg_variant_add(struct ls_tx *, const char *, const char *, struct ls_variant *, struct ls_err *);
enum ls_rc ls_pg_variant_set(struct ls_tx *, const struct ls_variant *, struct ls_err *);
enum ls_rc ls_pg_variant_remove(struct ls_tx *, const char *, struct ls_err *);

/* pg_folder.c */
enum ls_rc ls_pg_folder_get(struct ls_catalog *, struct ls_tx *, const char *, struct ls_folder *, struct ls_err *);
enum ls_rc ls_pg_folder_children(struct ls_catalog *, struct ls_tx *, const char *, struct ls_folder_page *,
                                 struct ls_err *);
enum ls_rc ls_pg_folder_put(struct ls_tx *, const struct ls_folder *, struct ls_err *);
enum ls_rc ls_pg_folder_remove(struct ls_tx *, const char *, bool, struct ls_err *);
enum ls_rc ls_pg_folder_rename(struct ls_tx *, const char *, const char *, struct ls_err *);

/* pg_change.c */
enum ls_rc ls_pg_change_last(struct ls_catalog *, int64_t *, struct ls_err *);
enum ls_rc ls_pg_change_page(struct ls_catalog *, int64_t, unsigned, struct ls_change_page *, struct ls_err *);
enum ls_rc ls_pg_change_wait(struct ls_catalog *, int64_t, int64_t, int, int64_t *, struct ls_err *);

/* pg_journal.c */
enum ls_rc ls_pg_intent_add(struct ls_tx *, const struct ls_intent *, const struct ls_claim *, size_t,
                            const struct ls_intent_item *, size_t, struct ls_err *);
enum ls_rc ls_pg_intent_item_set(struct ls_tx *, const char *, const struct ls_intent_item *, struct ls_err *);
enum ls_rc ls_pg_intent_commit(struct ls_tx *, const char *, const char *, struct ls_err *);
enum ls_rc ls_pg_intent_take(struct ls_tx *, const char *, const char *, const char *, struct ls_err *);
enum ls_rc ls_pg_intent_close(struct ls_tx *, const char *, const char *, struct ls_err *);
enum ls_rc ls_pg_intent_get(struct ls_catalog *, struct ls_tx *, const char *, struct ls_intent *, struct ls_err *);
enum ls_rc ls_pg_intent_list(struct ls_catalog *, struct ls_tx *, struct ls_intent_page *, struct ls_err *);
enum ls_rc ls_pg_intent_item_count(struct ls_catalog *, const char *, uint64_t *, struct ls_err *);
enum ls_rc ls_pg_intent_items(struct ls_catalog *, struct ls_tx *, const char *, int64_t, unsigned,
                              struct ls_intent_item_page *, struct ls_err *);

/* pg_claim.c */
/* LS_BUSY when one of the claims overlaps one that is in the journal. */
enum ls_rc ls_pg_claims_check(struct ls_tx *, const struct ls_claim *, size_t, struct ls_err *) LS_MUST_CHECK;
enum ls_rc ls_pg_intents_cover(struct ls_catalog *, struct ls_tx *, const char *const *, size_t, bool *,
                               struct ls_err *);

/* pg_side.c */
enum ls_rc ls_pg_audit_add(struct ls_tx *, const struct ls_audit *, size_t, struct ls_err *);
enum ls_rc ls_pg_audit_page(struct ls_catalog *, int64_t, const char *, unsigned, struct ls_audit_page *,
                            struct ls_err *);
enum ls_rc ls_pg_trash_add(struct ls_tx *, const struct ls_trash *, struct ls_err *);
enum ls_rc ls_pg_trash_remove(struct ls_tx *, const char *, struct ls_err *);
enum ls_rc ls_pg_trash_page(struct ls_catalog *, struct ls_tx *, const char *, const char *, unsigned,
                            struct ls_trash_page *, struct ls_err *);
enum ls_rc ls_pg_meta_get(struct ls_catalog *, struct ls_tx *, const char *, char **, struct ls_err *);
enum ls_rc ls_pg_meta_set(struct ls_tx *, const char *, const char *, struct ls_err *);

/* pg_event.c */
enum ls_rc ls_pg_event_add(struct ls_tx *, const struct ls_event *, size_t, struct ls_err *);
enum ls_rc ls_pg_event_page(struct ls_catalog *, int64_t, unsigned, struct ls_event_page *, struct ls_err *);
enum ls_rc ls_pg_event_count(struct ls_catalog *, uint64_t *, struct ls_err *);
enum ls_rc ls_pg_event_remove(struct ls_tx *, const int64_t *, size_t, struct ls_err *);

/* pg_scan.c */
enum ls_rc ls_pg_scan_put(struct ls_catalog *, struct ls_scan_row *, struct ls_err *);
enum ls_rc ls_pg_scan_write(struct ls_tx *, struct ls_scan_row *, struct ls_err *);
enum ls_rc ls_pg_scan_get(struct ls_catalog *, int64_t, struct ls_scan_row *, struct ls_err *);
enum ls_rc ls_pg_scan_whole(struct ls_catalog *, enum ls_whole_scan, struct ls_scan_row *, struct ls_err *);
enum ls_rc ls_pg_scan_running(struct ls_catalog *, struct ls_tx *, struct ls_scan_row *, struct ls_err *);
enum ls_rc ls_pg_scan_tidy(struct ls_catalog *, bool *, struct ls_err *);
enum ls_rc ls_pg_scan_ranges_add(struct ls_tx *, const struct ls_scan_range *, size_t, struct ls_err *);
enum ls_rc ls_pg_scan_ranges(struct ls_catalog *, struct ls_tx *, int64_t, struct ls_scan_range_page *,
                             struct ls_err *);
enum ls_rc ls_pg_scan_range_take(struct ls_tx *, int64_t, const char *, int64_t *, int64_t *, struct ls_err *);
enum ls_rc ls_pg_scan_range_take_over(struct ls_tx *, const struct ls_scan_range *, const char *, int64_t *,
                                      struct ls_err *);
enum ls_rc ls_pg_scan_range_set(struct ls_tx *, const struct ls_scan_range *, struct ls_err *);
enum ls_rc ls_pg_scan_beat(struct ls_catalog *, int64_t, const char *, struct ls_err *);
enum ls_rc ls_pg_findings_put(struct ls_tx *, int64_t, const struct ls_scan_finding *, size_t, struct ls_err *);
enum ls_rc ls_pg_findings_remove(struct ls_tx *, int64_t, const char *, const char *, const char *, struct ls_err *);
enum ls_rc ls_pg_findings_get(struct ls_catalog *, int64_t, const char *const *, size_t, struct ls_scan_finding_page *,
                              struct ls_err *);
enum ls_rc ls_pg_finding_page(struct ls_catalog *, int64_t, const char *, unsigned, struct ls_scan_finding_page *,
                              struct ls_err *);

/* pg_table.c */
enum ls_rc ls_pg_tally_put(struct ls_tx *, int64_t, const struct ls_tally *, size_t, struct ls_err *);
enum ls_rc ls_pg_product_table(struct ls_catalog *, const struct ls_table_query *, struct ls_table_page *,
                               struct ls_err *);

/* pg_backup.c */
enum ls_rc ls_pg_backup(struct ls_catalog *, const char *, struct ls_err *);

#endif
