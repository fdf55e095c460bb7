/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mount/env.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "catalog/backends.h"
#include "mount/mount.h"
#include "store/backends.h"

#define DEADLINE_S 250 /* a slow disk makes hundreds of files slow; only a test that hangs waits for it */

static struct env *current; /* for the alarm's handler */

static void die(const char *what, const struct ls_err *err)
{
    fprintf(stderr, "test environment: %s: %s\n", what, err ? err->text : strerror(errno));
    if (current && current->server > 0)
        kill(current->server, SIGKILL);
    if (current)
        umount2(current->mnt, MNT_DETACH);
    exit(1);
}

static void on_alarm(int sig)
{
    (void)sig;
    static const char text[] = "test environment: a test hangs; the mount is killed\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    if (current && current->server > 0)
        kill(current->server, SIGKILL);
    if (current)
        umount2(current->mnt, MNT_DETACH);
    _exit(1);
}

int env_usable(void)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "skipped: /dev/fuse cannot be opened: %s\n", strerror(errno));
        return 77;
    }
    close(fd);
    if (geteuid() != 0 && access("/usr/bin/fusermount3", X_OK) != 0) {
        fprintf(stderr, "skipped: not root, and there is no fusermount3\n");
        return 77;
    }
    return 0;
}

/* ---- both sides ---- */

static enum ls_rc decide(void *ctx, enum ls_store_op op, const char *key, bool after, struct ls_err *err)
{
    struct env_faults *faults = ctx;
    if (after)
        return LS_OK;
    if (atomic_load(&faults->hang))
        atomic_fetch_add(&faults->waited, 1);
    while (atomic_load(&faults->hang))
        ls_sleep_ms(5);
    int rc = 0;
    if (op == LS_STORE_OP_GET) {
        atomic_fetch_add(&faults->gets, 1);
        rc = atomic_load(&faults->get);
    } else if (op == LS_STORE_OP_PUT) {
        atomic_fetch_add(&faults->puts, 1);
        rc = atomic_load(&faults->put);
    } else if (op == LS_STORE_OP_COPY) {
        rc = atomic_load(&faults->copy);
    } else if (op == LS_STORE_OP_REMOVE) {
        rc = atomic_load(&faults->remove);
    }
    if (!rc)
        return LS_OK;
    atomic_fetch_add(&faults->fired, 1);
    return ls_err_set(err, (enum ls_rc)rc, "store: %s: the test wants it to fail", key ? key : "");
}

static enum ls_rc open_sides(const struct env *env, struct env_other *out, bool with_faults, struct ls_err *err)
{
    static const char *const types[] = {"hero-card", "info-card", "other-images", NULL};
    char bucket[96], catalog[96];
    snprintf(bucket, sizeof bucket, "%s/bucket", env->dir);
    snprintf(catalog, sizeof catalog, "%s/catalog.db", env->dir);
    const struct ls_sqlite_opts sqlite = {.path = catalog, .create = true};
    enum ls_rc rc = ls_layout_compile("products/{product}/{weight}/{type}/{file}", types, &out->layout, err);
    if (!rc)
        rc = ls_store_file_open(bucket, NULL, &out->store, err);
    if (!rc && with_faults) {
        struct ls_store_fault fault = {.decide = decide, .ctx = env->faults};
        rc = ls_store_fault_open(out->store, &fault, &out->store, err);
    }
    if (!rc)
        rc = ls_store_create(out->store, err);
    if (!rc)
        rc = ls_catalog_sqlite_open(&sqlite, &out->catalog, err);
    if (!rc)
        rc = out->catalog->ops->create(out->catalog, err);
    struct ls_engine_opts opts = {
        .store = out->store, .catalog = out->catalog, .layout = out->layout, .kind = "test", .actor = "test"};
    if (!rc)
        rc = ls_engine_open(&opts, &out->engine, err);
    return rc;
}

void env_other_open(const struct env *env, struct env_other *out)
{
    struct ls_err err = LS_ERR_INIT;
    memset(out, 0, sizeof *out);
    if (open_sides(env, out, false, &err))
        die("cannot open the other side", &err);
}

void env_other_close(struct env_other *other)
{
    ls_engine_close(other->engine);
    ls_catalog_close(other->catalog);
    ls_store_close(other->store);
    ls_layout_free(other->layout);
}

void env_other_put(struct env_other *other, const char *key, const char *text)
{
    struct ls_err err = LS_ERR_INIT;
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        die("cannot write a temporary file", NULL);
    struct ls_engine_put put = {.key = key, .fd = fd, .size_bytes = strlen(text), .make_parents = true};
    if (ls_engine_put(other->engine, &put, NULL, &err))
        die("the other side cannot put", &err);
    close(fd);
}

/* ---- the server ---- */

static enum ls_rc open_engine(void *ctx, struct ls_engine **out_engine, struct ls_err *err)
{
    static struct env_other sides;
    enum ls_rc rc = open_sides(ctx, &sides, true, err);
    *out_engine = sides.engine;
    return rc;
}

static void close_engine(void *ctx, struct ls_engine *engine)
{
    (void)ctx;
    struct env_other sides = {.store = ls_engine_store(engine),
                              .catalog = ls_engine_catalog(engine),
                              .layout = (struct ls_layout *)(uintptr_t)ls_engine_layout(engine),
                              .engine = engine};
    env_other_close(&sides);
}

static int serve(struct env *env, const char *fuse_options)
{
    char cache[96];
    snprintf(cache, sizeof cache, "%s/cache", env->dir);
    struct ls_mount_opts opts = {.mountpoint = env->mnt,
                                 .fuse_options = fuse_options,
                                 .cache_dir = cache,
                                 .cache_size_bytes = 64 * 1024 * 1024,
                                 .foreground = true,
                                 .fsname = "test,with\\odd",
                                 .open_engine = open_engine,
                                 .close_engine = close_engine,
                                 .ctx = env};
    struct ls_err err = LS_ERR_INIT;
    bool is_parent;
    enum ls_rc rc = ls_mount_run(&opts, &is_parent, &err);
    if (rc)
        fprintf(stderr, "server: %s\n", err.text);
    return rc ? 1 : 0;
}

static bool is_mounted(const struct env *env)
{
    struct stat dir, mnt;
    return stat(env->dir, &dir) == 0 && stat(env->mnt, &mnt) == 0 && dir.st_dev != mnt.st_dev;
}

void env_mount(struct env *env, const char *fuse_options)
{
    env->server = fork();
    if (env->server == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(0);
        exit(serve(env, fuse_options));
    }
    if (env->server < 0)
        die("fork", NULL);
    int64_t until_ms = ls_monotonic_ms() + DEADLINE_S * 1000;
    while (!is_mounted(env)) {
        if (waitpid(env->server, NULL, WNOHANG) != 0)
            die("the server ended before it had mounted", NULL);
        if (ls_monotonic_ms() > until_ms)
            die("the mount does not come up", NULL);
        ls_sleep_ms(2);
    }
}

int env_stop(struct env *env, int sig)
{
    int status = 0;
    if (env->server <= 0)
        return 0;
    kill(env->server, sig);
    waitpid(env->server, &status, 0);
    env->server = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void env_open_unmounted(struct env *env)
{
    struct sigaction action = {.sa_handler = on_alarm};
    memset(env, 0, sizeof *env);
    current = env;
    sigaction(SIGALRM, &action, NULL);
    alarm(DEADLINE_S);
    snprintf(env->dir, sizeof env->dir, "/tmp/lockstep-mount.XXXXXX");
    if (!mkdtemp(env->dir))
        die("mkdtemp", NULL);
    snprintf(env->mnt, sizeof env->mnt, "%s/mnt", env->dir);
    if (mkdir(env->mnt, 0755) != 0)
        die("mkdir", NULL);
    env->faults = mmap(NULL, sizeof *env->faults, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (env->faults == MAP_FAILED)
        die("mmap", NULL);
}

void env_open(struct env *env)
{
    env_open_unmounted(env);
    env_mount(env, NULL);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void env_close(struct env *env)
{
    atomic_store(&env->faults->hang, false);
    int status = env_stop(env, SIGTERM);
    if (status != 0 || is_mounted(env)) {
        fprintf(stderr, "test environment: the server ended with %d, %s\n", status,
                is_mounted(env) ? "still mounted" : "unmounted");
        umount2(env->mnt, MNT_DETACH);
        exit(1);
    }
    nftw(env->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    munmap(env->faults, sizeof *env->faults);
    alarm(0);
    current = NULL;
}

static const char *below(const char *dir, const char *middle, const char *path)
{
    static char paths[8][1400];
    static unsigned next;
    char *out = paths[next++ % 8];
    snprintf(out, sizeof paths[0], "%s%s/%s", dir, middle, path);
    return out;
}

const char *env_path(const struct env *env, const char *path) { return below(env->mnt, "", path); }

const char *env_bucket_path(const struct env *env, const char *key) { return below(env->dir, "/bucket", key); }

const char *env_sql(const struct env *env, const char *sql)
{
    static char value[4096];
    char path[96];
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    bool any = false;
    snprintf(path, sizeof path, "%s/catalog.db", env->dir);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(db, 10000) != SQLITE_OK || sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        fprintf(stderr, "test environment: %s: %s\n", sql, sqlite3_errmsg(db));
        exit(1);
    }
    if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0)) {
        snprintf(value, sizeof value, "%s", (const char *)sqlite3_column_text(stmt, 0));
        any = true;
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return any ? value : NULL;
}

const char *env_object(const struct env *env, const char *key)
{
    static char text[65536];
    int fd = open(env_bucket_path(env, key), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}
