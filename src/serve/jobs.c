/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Jobs in memory and in their folder.
 *
 * The file says `queued` until the job's end, because nobody but this process may believe that it runs. The answer is
 * on the disk before the file says `done`.
 */
#include "serve/jobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "serve/internal.h"
#include "serve/problem.h"

struct job {
    struct ls_job_view view; /* lock; but for done and total, which progress has */
    struct ls_progress progress;
    struct ls_request req; /* its lane's */
    struct ls_jobs *jobs;
    struct job *older; /* lock */
};

struct ls_jobs {
    struct ls_serve *serve;
    char *folder;
    pthread_mutex_t lock;
    struct job *newest; /* lock: a list by id */
    size_t n;           /* lock */
};

static const char *const state_names[] = {"queued", "running", "done", "aborted"};

const char *ls_job_state_name(enum ls_job_state state) { return state_names[state]; }

/* ---- files ---- */

static char *path_of(const struct ls_jobs *jobs, const char *id, const char *suffix)
{
    return ls_strf("%s/%s%s", jobs->folder, id, suffix);
}

static enum ls_rc save(const struct ls_jobs *jobs, const struct ls_job_view *view, struct ls_err *err)
{
    LS_AUTO(ls_free) char *path = path_of(jobs, view->id, ".json");
    json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "kind", view->kind, "who", view->who, "state",
                             state_names[view->state], "created", (json_int_t)view->created_ns, "ended",
                             (json_int_t)view->ended_ns, "status", (json_int_t)view->status);
    LS_AUTO(ls_free) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!path || !text)
        return ls_err_nomem(err);
    return ls_write_file(path, text, strlen(text), 0600, true, err);
}

static void remove_files(const struct ls_jobs *jobs, const char *id)
{
    LS_AUTO(ls_free) char *meta = path_of(jobs, id, ".json");
    LS_AUTO(ls_free) char *result = path_of(jobs, id, ".result");
    if (meta)
        unlink(meta);
    if (result)
        unlink(result);
}

/* Keep the answer. */
static enum ls_rc save_result(const struct ls_jobs *jobs, const char *id, struct ls_reply *reply, struct ls_err *err)
{
    LS_AUTO(ls_free) char *path = path_of(jobs, id, ".result");
    if (!path)
        return ls_err_nomem(err);
    LS_AUTO(ls_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return ls_err_errno(err, errno, "serve: cannot keep a job's answer in %s", jobs->folder);
    enum ls_rc rc = LS_OK;
    if (reply->fd >= 0)
        rc = ls_copy_fd(reply->fd, fd, reply->fd_size_bytes, err);
    else if (ls_write_all(fd, reply->text ? reply->text : reply->constant, reply->text_len) != 0)
        rc = ls_err_errno(err, errno, "serve: cannot keep a job's answer in %s", jobs->folder);
    if (!rc && fsync(fd) != 0)
        rc = ls_err_errno(err, errno, "serve: cannot keep a job's answer in %s", jobs->folder);
    return rc;
}

static bool read_view(const struct ls_jobs *jobs, const char *id, struct ls_job_view *out)
{
    LS_AUTO(ls_free) char *path = path_of(jobs, id, ".json");
    LS_AUTO(ls_buf) struct ls_buf text = LS_BUF_INIT(LS_BUF_LINE);
    if (!path || ls_read_file(path, &text, NULL))
        return false;
    const char *kind, *who, *state;
    json_int_t created, ended, status;
    json_t *json = json_loadb(text.data, text.len, 0, NULL);
    bool good = json_unpack(json, "{s:s, s:s, s:s, s:I, s:I, s:I}", "kind", &kind, "who", &who, "state", &state,
                            "created", &created, "ended", &ended, "status", &status) == 0;
    if (good) {
        *out = (struct ls_job_view){.state = strcmp(state, "done") == 0 ? LS_JOB_DONE : LS_JOB_ABORTED,
                                    .created_ns = created,
                                    .ended_ns = ended,
                                    .status = (unsigned)status};
        snprintf(out->id, sizeof out->id, "%s", id);
        snprintf(out->kind, sizeof out->kind, "%s", kind);
        snprintf(out->who, sizeof out->who, "%s", who);
    }
    json_decref(json);
    return good;
}

/* ---- the list ---- */

/* Hold the lock. */
static struct job *find(struct ls_jobs *jobs, const char *id)
{
    for (struct job *job = jobs->newest; job; job = job->older)
        if (strcmp(job->view.id, id) == 0)
            return job;
    return NULL;
}

static bool has_ended(const struct job *job)
{
    return job->view.state == LS_JOB_DONE || job->view.state == LS_JOB_ABORTED;
}

static void job_free(struct job *job)
{
    ls_request_dispose(&job->req);
    free(job);
}

/* Put it in its place, and forget the oldest ended ones that are too many. Hold the lock. */
static void insert(struct ls_jobs *jobs, struct job *job)
{
    struct job **at = &jobs->newest;
    while (*at && strcmp((*at)->view.id, job->view.id) > 0)
        at = &(*at)->older;
    job->older = *at;
    *at = job;
    jobs->n++;
    size_t place = 0;
    for (at = &jobs->newest; *at;) {
        struct job *here = *at;
        if (++place <= LS_JOBS_KEPT || !has_ended(here)) {
            at = &here->older;
            continue;
        }
        *at = here->older;
        jobs->n--;
        remove_files(jobs, here->view.id);
        job_free(here);
    }
}

/* ---- up and down ---- */

/* An id as ls_id_new makes it, and ".json". */
static bool is_job_file(const char *name)
{
    size_t len = strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return len == LS_ID_LEN - 1 && strcmp(name + len, ".json") == 0;
}

static enum ls_rc load(struct ls_jobs *jobs, DIR *dir, struct ls_err *err)
{
    enum ls_rc rc = LS_OK;
    for (struct dirent *entry; !rc && (entry = readdir(dir));) {
        if (!is_job_file(entry->d_name))
            continue;
        char id[LS_ID_LEN] = "";
        memcpy(id, entry->d_name, LS_ID_LEN - 1);
        struct job *job = calloc(1, sizeof *job);
        if (!job)
            return ls_err_nomem(err);
        job->jobs = jobs;
        job->req.body_fd = -1;
        if (!read_view(jobs, id, &job->view)) {
            LS_LOG_WARN("serve", "job-unreadable", {"job", ls_v_str(id)});
            job_free(job);
            continue;
        }
        if (!job->view.ended_ns) {
            job->view.ended_ns = ls_now_ns();
            rc = save(jobs, &job->view, err);
        }
        LS_LOCK(&jobs->lock);
        insert(jobs, job);
    }
    return rc;
}

enum ls_rc ls_jobs_open(struct ls_serve *serve, const char *folder, struct ls_jobs **out_jobs, struct ls_err *err)
{
    struct ls_jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs || !(jobs->folder = strdup(folder))) {
        free(jobs);
        return ls_err_nomem(err);
    }
    jobs->serve = serve;
    pthread_mutex_init(&jobs->lock, NULL);
    enum ls_rc rc = LS_OK;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        rc = ls_err_errno(err, errno, "serve: cannot make the folder of jobs %s", folder);
    DIR *dir = rc ? NULL : opendir(folder);
    if (!rc && !dir)
        rc = ls_err_errno(err, errno, "serve: cannot read the folder of jobs %s", folder);
    if (!rc && dir)
        rc = load(jobs, dir, err);
    if (dir)
        closedir(dir);
    if (rc) {
        ls_jobs_close(jobs);
        return rc;
    }
    *out_jobs = jobs;
    return LS_OK;
}

void ls_jobs_close(struct ls_jobs *jobs)
{
    if (!jobs)
        return;
    for (struct job *job = jobs->newest; job;) {
        struct job *older = job->older;
        job_free(job);
        job = older;
    }
    pthread_mutex_destroy(&jobs->lock);
    free(jobs->folder);
    free(jobs);
}

/* ---- running ---- */

static void set_state(struct job *job, enum ls_job_state state, unsigned status)
{
    LS_LOCK(&job->jobs->lock);
    job->view.state = state;
    job->view.status = status;
    if (state == LS_JOB_DONE || state == LS_JOB_ABORTED)
        job->view.ended_ns = ls_now_ns();
}

static void end(struct job *job, struct ls_reply *reply)
{
    struct ls_jobs *jobs = job->jobs;
    struct ls_err err = LS_ERR_INIT;
    bool aborted = !reply->status || atomic_load(jobs->serve->opts->cancel);
    enum ls_rc rc = aborted ? LS_OK : save_result(jobs, job->view.id, reply, &err);
    /* Told once it is on the disk; this thread alone changes the view. */
    struct ls_job_view view = job->view;
    view.state = aborted || rc ? LS_JOB_ABORTED : LS_JOB_DONE;
    view.status = aborted || rc ? 0 : reply->status;
    view.ended_ns = ls_now_ns();
    if (!rc)
        rc = save(jobs, &view, &err);
    if (rc)
        LS_LOG_WARN("serve", "job-not-kept", {"job", ls_v_str(view.id)}, {"error", ls_v_str(err.text)});
    LS_LOG_INFO("serve", "job", {"job", ls_v_str(view.id)}, {"kind", ls_v_str(view.kind)},
                {"state", ls_v_str(state_names[view.state])}, {"status", ls_v_uint(view.status)},
                {"token", ls_v_str(view.who)});
    ls_request_dispose(&job->req);
    set_state(job, view.state, view.status); /* the job may be gone from here on */
}

static void run(void *arg)
{
    struct job *job = arg;
    struct ls_serve *serve = job->jobs->serve;
    enum ls_lane lane = job->req.route->lane;
    struct ls_reply reply;
    struct ls_err err = LS_ERR_INIT;
    ls_reply_init(&reply);
    if (!atomic_load(&serve->draining)) {
        set_state(job, LS_JOB_RUNNING, 0);
        job->req.route->run(serve, &job->req, &reply);
        if (ls_reply_finish(&reply, &err))
            ls_problem_err(&reply, &err);
    }
    end(job, &reply);
    ls_reply_dispose(&reply);
    atomic_fetch_sub(&serve->jobs_running, 1);
    ls_lane_done(serve, lane);
}

enum ls_rc ls_jobs_start(struct ls_jobs *jobs, struct ls_request *req, char out_id[LS_ID_LEN], struct ls_err *err)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return ls_err_nomem(err);
    job->jobs = jobs;
    ls_id_new(job->view.id);
    job->view.created_ns = ls_now_ns();
    snprintf(job->view.kind, sizeof job->view.kind, "%s %s", req->method, req->route->path);
    snprintf(job->view.who, sizeof job->view.who, "%s", req->who);
    memcpy(out_id, job->view.id, LS_ID_LEN);
    job->req.body_fd = -1;
    enum ls_rc rc = ls_request_move(&job->req, req, err);
    job->req.progress = &job->progress;
    if (!rc)
        rc = save(jobs, &job->view, err);
    if (rc) {
        job_free(job);
        return rc;
    }
    pthread_mutex_lock(&jobs->lock);
    insert(jobs, job);
    pthread_mutex_unlock(&jobs->lock);
    atomic_fetch_add(&jobs->serve->jobs_running, 1);
    if (ls_lane_add(jobs->serve, job->req.route->lane, run, job))
        return LS_OK;
    atomic_fetch_sub(&jobs->serve->jobs_running, 1);
    struct ls_reply none;
    ls_reply_init(&none);
    end(job, &none);
    return ls_err_set(err, LS_BUSY, "serve: too many jobs of this kind are waiting already");
}

/* ---- asking ---- */

static void view_of(struct job *job, struct ls_job_view *out)
{
    *out = job->view;
    out->done = atomic_load(&job->progress.done);
    out->total = atomic_load(&job->progress.total);
}

static enum ls_rc unknown(const char *id, struct ls_err *err)
{
    return ls_err_set(err, LS_NOT_FOUND, "serve: there is no job '%.40s' (the newest %d are kept)", id, LS_JOBS_KEPT);
}

enum ls_rc ls_jobs_get(struct ls_jobs *jobs, const char *id, struct ls_job_view *out, struct ls_err *err)
{
    LS_LOCK(&jobs->lock);
    struct job *job = find(jobs, id);
    if (!job)
        return unknown(id, err);
    view_of(job, out);
    return LS_OK;
}

size_t ls_jobs_list(struct ls_jobs *jobs, struct ls_job_view *out, size_t most)
{
    size_t n = 0;
    LS_LOCK(&jobs->lock);
    for (struct job *job = jobs->newest; job && n < most; job = job->older)
        view_of(job, &out[n++]);
    return n;
}

enum ls_rc ls_jobs_result(struct ls_jobs *jobs, const char *id, int *out_fd, struct ls_err *err)
{
    LS_LOCK(&jobs->lock);
    struct job *job = find(jobs, id);
    if (!job)
        return unknown(id, err);
    LS_AUTO(ls_free) char *path = path_of(jobs, job->view.id, ".result");
    *out_fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    return *out_fd < 0 ? ls_err_errno(err, errno, "serve: the answer of job %s", job->view.id) : LS_OK;
}
