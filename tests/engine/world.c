/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/world.h"

#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const types[] = {"hero-card", "info-card", "other-images", NULL};

static enum ls_rc decide(void *ctx, enum ls_store_op op, const char *key, bool after, struct ls_err *err)
{
    struct world *w = ctx;
    for (size_t i = 0; i < w->n_faults; i++) {
        struct fault *f = &w->faults[i];
        if (f->op != op || f->after != after || !strstr(key ? key : "", f->key))
            continue;
        f->hits++;
        if (f->at_hit && f->hits != f->at_hit)
            continue;
        f->fired++;
        if (f->then)
            f->then(w, key);
        if (f->rc != LS_OK)
            return ls_err_set(err, f->rc, "injected fault");
    }
    return LS_OK;
}

void must(struct world *w, enum ls_rc rc)
{
    if (rc != LS_OK)
        fail_msg("%s: %s", ls_rc_name(rc), w->err.text);
}

void world_open(struct world *w)
{
    const struct ls_store_fault fault = {.decide = decide, .ctx = w};
    struct ls_store *files;
    must(w, ls_layout_compile("products/{product}/{weight}/{type}/{file}", types, &w->layout, &w->err));
    must(w, ls_store_file_open(w->bucket, "http://images", &files, &w->err));
    must(w, ls_store_fault_open(files, &fault, &w->store, &w->err));
    must(w, ls_store_create(w->store, &w->err));
    must(w, world_catalog_open(w));
    const struct ls_engine_opts opts = {.store = w->store,
                                        .catalog = w->catalog,
                                        .layout = w->layout,
                                        .kind = "test",
                                        .actor = "test",
                                        .claim_wait_ms = w->claim_wait_ms ? w->claim_wait_ms : 2000};
    must(w, ls_engine_open(&opts, &w->engine, &w->err));
}

void world_close(struct world *w)
{
    ls_engine_close(w->engine);
    ls_catalog_close(w->catalog);
    ls_store_close(w->store);
    ls_layout_free(w->layout);
    w->engine = NULL;
    w->catalog = NULL;
    w->store = NULL;
    w->layout = NULL;
}

void world_make(struct world *w)
{
    memset(w, 0, sizeof(*w));
    world_catalog_make(); /* first: it ends the program when there is no server */
    /* A killed process leaves its writes to the kernel, so memory will do, and it is quick. */
    const char *tmp = getenv("TMPDIR");
    if (!tmp)
        tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(w->dir, sizeof(w->dir), "%.40s/lockstep-XXXXXX", tmp);
    if (!mkdtemp(w->dir))
        fail_msg("no temporary folder");
    snprintf(w->bucket, sizeof(w->bucket), "%s/bucket", w->dir);
    snprintf(w->db, sizeof(w->db), "%s/catalog.db", w->dir);
}

static int rm_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void world_remove(struct world *w)
{
    nftw(w->dir, rm_one, 16, FTW_DEPTH | FTW_PHYS);
    world_catalog_remove();
}

int world_setup(void **state)
{
    struct world *w = malloc(sizeof(*w));
    world_make(w);
    world_open(w);
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    if (w->engine)
        world_close(w);
    world_remove(w);
    free(w);
    return 0;
}

void world_twin(const struct world *w, struct world *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->dir, w->dir, sizeof(out->dir));
    memcpy(out->bucket, w->bucket, sizeof(out->bucket));
    memcpy(out->db, w->db, sizeof(out->db));
    out->claim_wait_ms = w->claim_wait_ms;
    world_open(out);
}

struct fault *world_fault(struct world *w, struct fault fault)
{
    assert_true(w->n_faults < 4);
    w->faults[w->n_faults] = fault;
    return &w->faults[w->n_faults++];
}

void world_no_faults(struct world *w) { w->n_faults = 0; }

/* ---- through the engine ---- */

enum ls_rc put_with(struct world *w, struct ls_engine_put put, const char *text)
{
    int fd = memfd_create("bytes", MFD_CLOEXEC);
    size_t len = strlen(text);
    assert_true(fd >= 0 && write(fd, text, len) == (ssize_t)len);
    put.fd = fd;
    put.size_bytes = len;
    enum ls_rc rc = ls_engine_put(w->engine, &put, NULL, &w->err);
    close(fd);
    return rc;
}

enum ls_rc put_text(struct world *w, const char *key, const char *text)
{
    return put_with(w, (struct ls_engine_put){.key = key, .make_parents = true}, text);
}

enum ls_rc remove_keys(struct world *w, const char *key, const char *or_key)
{
    struct ls_image_ref refs[] = {{.key = key}, {.key = or_key}};
    return ls_engine_remove(w->engine, refs, or_key ? 2 : 1, false, &w->err);
}

enum ls_rc mend_one(struct world *w, enum ls_mend mend, struct ls_mend_item *item)
{
    enum ls_rc rc = ls_engine_mend(w->engine, mend, item, 1, &w->err);
    if (rc == LS_OK && item->rc != LS_OK)
        w->err = item->err;
    return rc == LS_OK ? item->rc : rc;
}

/* ---- beside it ---- */

void object_write(const struct world *w, const char *key, const char *text)
{
    char path[2048], fresh[2100];
    snprintf(path, sizeof(path), "%s/%s", w->bucket, key);
    for (char *slash = path + strlen(w->bucket) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    snprintf(fresh, sizeof(fresh), "%s/fresh", w->dir);
    FILE *file = fopen(fresh, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
    assert_int_equal(rename(fresh, path), 0);
}

void object_remove(const struct world *w, const char *key)
{
    char path[2048];
    snprintf(path, sizeof(path), "%s/%s", w->bucket, key);
    assert_int_equal(unlink(path), 0);
}

const char *object_text(const struct world *w, const char *key)
{
    static char text[4096];
    char path[2048];
    snprintf(path, sizeof(path), "%s/%s", w->bucket, key);
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void md5_hex(const void *data, size_t len, char out[33])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    assert_int_equal(EVP_Digest(data, len, md, NULL, EVP_md5(), NULL), 1);
    for (int i = 0; i < 16; i++)
        snprintf(&out[(size_t)2 * (size_t)i], 3, "%02x", md[i]);
}

const char *md5_of(const char *text)
{
    static char hex[4][33];
    static int next;
    char *out = hex[next++ % 4];
    md5_hex(text, strlen(text), out);
    return out;
}

/* ---- the oracle ---- */

/* What the walk over the bucket found; one oracle at a time. */
static struct {
    size_t root_len;
    char keys[512][1100];
    char md5[512][33];
    long long size[512];
    size_t n;
} seen;

static int see_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    static char bytes[1 << 16];
    (void)ftw;
    const char *key = path + seen.root_len;
    if (flag != FTW_F || strncmp(key, ".lockstep/tmp/", 14) == 0 || strncmp(key, ".lockstep/attr/", 15) == 0 ||
        strcmp(key, ".lockstep/lock") == 0)
        return 0;
    FILE *file = fopen(path, "r");
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    snprintf(seen.keys[seen.n], sizeof(seen.keys[0]), "%s", key);
    md5_hex(bytes, len, seen.md5[seen.n]);
    seen.size[seen.n++] = (long long)st->st_size;
    return seen.n == 512;
}

static void walk(const struct world *w)
{
    seen.n = 0;
    seen.root_len = strlen(w->bucket) + 1;
    nftw(w->bucket, see_one, 16, FTW_PHYS);
}

static long find(const char *key)
{
    for (size_t i = 0; i < seen.n; i++)
        if (strcmp(seen.keys[i], key) == 0)
            return (long)i;
    return -1;
}

static char wrong_text[1024];

/* A row of (key, etag, size) must be there as recorded; *n counts them, -1 with the text when one is not. */
static void check_listed(void *ctx, int columns, char **values)
{
    int *n = ctx;
    (void)columns;
    if (*n < 0)
        return;
    long at = find(values[0]);
    ++*n;
    if (at < 0)
        snprintf(wrong_text, sizeof(wrong_text), "dangling: no object at %s", values[0]);
    else if (values[1] && (strcmp(values[1], seen.md5[at]) != 0 || strtoll(values[2], NULL, 10) != seen.size[at]))
        snprintf(wrong_text, sizeof(wrong_text), "stale: %s is %s, recorded %s", values[0], seen.md5[at], values[1]);
    if (wrong_text[0])
        *n = -1;
}

const char *world_wrong(const struct world *w, int orphans)
{
    static const char misfiled[] =
        "SELECT count(*) FROM product_image i LEFT JOIN product_variant v ON v.id = i.variant_id "
        "WHERE i.file_name NOT LIKE 'products/' || i.product_id || '/' || i.variant_weight || '/' || i.image_type || "
        "'/%' OR i.image_url <> 'http://images/' || i.file_name OR v.product_id IS DISTINCT FROM i.product_id "
        "OR v.weight IS DISTINCT FROM i.variant_weight";
    wrong_text[0] = '\0';
    walk(w);
    int internal = 0, rows = 0, trash = 0;
    for (size_t i = 0; i < seen.n; i++)
        internal += strncmp(seen.keys[i], ".lockstep/", 10) == 0;
    sql_rows(
        w, check_listed, &rows,
        "SELECT i.file_name, o.etag, o.size FROM product_image i LEFT JOIN lockstep_object o ON o.key = i.file_name "
        "AND o.etag <> ''");
    if (rows < 0)
        trash = -1;
    else
        sql_rows(w, check_listed, &trash, "SELECT trash_key, etag, size FROM lockstep_trash");
    if (trash >= 0 && trash != internal)
        snprintf(wrong_text, sizeof(wrong_text), "%d objects in trash, %d rows", internal, trash);
    else if (trash >= 0 && (int)seen.n - internal - rows != orphans)
        snprintf(wrong_text, sizeof(wrong_text), "%d orphans instead of %d", (int)seen.n - internal - rows, orphans);
    else if (trash >= 0 && sql_int(w, "SELECT count(*) FROM lockstep_intent") != 0)
        snprintf(wrong_text, sizeof(wrong_text), "an intent is open");
    else if (trash >= 0 && sql_int(w, "SELECT count(*) FROM lockstep_claim") != 0)
        snprintf(wrong_text, sizeof(wrong_text), "a claim is left");
    else if (trash >= 0 && sql_int(w, "%s", misfiled) != 0)
        snprintf(wrong_text, sizeof(wrong_text), "a row's columns disagree with its key");
    return wrong_text[0] ? wrong_text : NULL;
}

static void dump_row(void *ctx, int n, char **values)
{
    for (int i = 0; i < n; i++)
        fprintf(ctx, "%s|", values[i] ? values[i] : "-");
    fputc('\n', ctx);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(seen.keys[*(const int *)a], seen.keys[*(const int *)b]);
}

char *world_dump(const struct world *w)
{
    static const char rows[] =
        "SELECT i.file_name, i.product_id, i.variant_weight, i.image_type, i.image_url, "
        "v.weight, o.etag, o.size, o.mode "
        "FROM product_image i LEFT JOIN product_variant v ON v.id = i.variant_id "
        "LEFT JOIN lockstep_object o ON o.key = i.file_name AND o.etag <> '' ORDER BY i.file_name";
    static const char *const selects[] = {
        rows,
        "SELECT id FROM product ORDER BY id",
        "SELECT product_id, weight, is_active FROM product_variant ORDER BY product_id, weight",
        "SELECT path FROM lockstep_folder ORDER BY path",
        "SELECT key, etag, size, reason FROM lockstep_trash ORDER BY key, etag",
    };
    char *text = NULL;
    size_t len;
    int order[512];
    FILE *out = open_memstream(&text, &len);
    walk(w);
    for (size_t i = 0; i < seen.n; i++)
        order[i] = (int)i;
    qsort(order, seen.n, sizeof(order[0]), by_key);
    for (size_t i = 0; i < seen.n; i++) /* trash keys hold random ids; their rows stand for them */
        if (strncmp(seen.keys[order[i]], ".lockstep/", 10) != 0)
            fprintf(out, "object %s %s\n", seen.keys[order[i]], seen.md5[order[i]]);
    for (size_t i = 0; i < sizeof(selects) / sizeof(selects[0]); i++) {
        fprintf(out, "--\n");
        sql_rows(w, dump_row, out, "%s", selects[i]);
    }
    fclose(out);
    return text;
}
