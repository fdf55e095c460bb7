/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attaching again by another mapping: the side tables and triggers are made anew, and what was kept moves over.
 *
 * All in one transaction: the old schema steps aside, the steps of pg_schema.c run for the new mapping, the rows are
 * copied, the old schema goes. Change numbers go on where they were, with everything before them counted as gone, so
 * that followers read all rows again. Nobody may be at work meanwhile, as for leaving.
 */
#include "catalog/attach.h"
#include "catalog/pg_impl.h"

LS_AUTO_DEFINE(ls_catalog, struct ls_catalog *, ls_catalog_close)

/* Our triggers go with their functions, whoever owns the tables. */
static const char step_aside[] =
    "DO $$ DECLARE r record; BEGIN "
    "FOR r IN SELECT p.oid::regprocedure AS f FROM pg_catalog.pg_proc p WHERE p.pronamespace = "
    "'lockstep'::regnamespace "
    "AND p.prorettype = 'trigger'::regtype LOOP EXECUTE 'DROP FUNCTION ' || r.f || ' CASCADE'; END LOOP; END $$; "
    "ALTER SCHEMA lockstep RENAME TO lockstep_before";

/* Tables in the order in which they were made: what others refer to comes first. */
static const char copy_rows[] =
    "DO $$ DECLARE t text; c text; BEGIN "
    "FOR t IN SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relnamespace = 'lockstep_before'::regnamespace "
    "AND c.relkind = 'r' AND c.relname NOT IN ('lockstep_object', 'lockstep_meta', 'lockstep_change', "
    "'lockstep_intent', 'lockstep_intent_item', 'lockstep_claim', 'lockstep_instance') ORDER BY c.oid LOOP "
    "EXECUTE format('INSERT INTO lockstep.%1$I OVERRIDING SYSTEM VALUE SELECT * FROM lockstep_before.%1$I', t); "
    "END LOOP; "
    "FOR t, c IN SELECT r.relname, a.attname FROM pg_catalog.pg_class r JOIN pg_catalog.pg_attribute a "
    "ON a.attrelid = r.oid WHERE r.relnamespace = 'lockstep_before'::regnamespace AND r.relkind = 'r' "
    "AND a.attidentity <> '' LOOP "
    "PERFORM setval(pg_get_serial_sequence('lockstep.' || t, c), "
    "nextval(pg_get_serial_sequence('lockstep_before.' || t, c))); END LOOP; "
    "UPDATE lockstep.lockstep_object n SET size = o.size, etag = o.etag, mtime_ns = o.mtime_ns, mode = o.mode, "
    "uid = o.uid, gid = o.gid, content_type = o.content_type, known = true FROM lockstep_before.lockstep_object o "
    "WHERE o.key = n.key AND o.known; "
    "INSERT INTO lockstep.lockstep_meta SELECT * FROM lockstep_before.lockstep_meta ON CONFLICT DO NOTHING; "
    "DELETE FROM lockstep.lockstep_change; "
    "UPDATE lockstep.lockstep_meta "
    "SET value = nextval(pg_get_serial_sequence('lockstep.lockstep_change', 'seq'))::text "
    "WHERE name = 'change_floor'; PERFORM pg_notify('lockstep_change', ''); END $$";

enum ls_rc ls_pg_remap(const struct ls_pg_opts *opts, struct ls_err *err)
{
    LS_AUTO(ls_catalog) struct ls_catalog *base = NULL;
    unsigned version;
    enum ls_rc rc = ls_pg_connect_patient(opts, &base, err);
    if (rc != LS_OK)
        return rc;
    struct ls_pg_conn *conn = ls_pg_of(base)->writer;
    rc = ls_pg_version(conn, &version, err);
    if (rc == LS_OK && version != ls_pg_schema_version)
        return ls_err_set(err, LS_UNSUPPORTED,
                          "catalog %s: its schema has version %u: open it once by its old mapping, with any command",
                          conn->cat->label, version);
    if (rc == LS_OK)
        rc = ls_pg_alone(base, err);
    if (rc == LS_OK)
        rc = ls_pg_script(conn, step_aside, "attach again", NULL, err);
    if (rc == LS_OK)
        rc = ls_pg_schema_make(conn, err);
    if (rc == LS_OK)
        rc = ls_pg_script(conn, copy_rows, "attach again", NULL, err);
    if (rc == LS_OK)
        rc = ls_pg_schema_drop(conn, "lockstep_before", err);
    return rc == LS_OK ? ls_pg_script(conn, "COMMIT", "attach again", NULL, err) : rc;
}
