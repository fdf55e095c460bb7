/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Long requests as jobs: started now, asked about later.
 *
 *   queued → running → done        the handler has answered; its status and body are kept
 *                    → aborted     the server ended (or died) before the job did
 *
 * A job is a file <id>.json in a folder of its own, its answer <id>.result beside it; so both survive a restart, and
 * what was not at its end then is aborted. The newest JOBS_KEPT are kept. Any thread.
 */
#ifndef LOCKSTEP_SERVE_JOBS_H
#define LOCKSTEP_SERVE_JOBS_H

#include <stdatomic.h>

#include "base/hash.h"
#include "serve/request.h"

struct ls_serve;
struct ls_jobs;

enum ls_job_state { LS_JOB_QUEUED, LS_JOB_RUNNING, LS_JOB_DONE, LS_JOB_ABORTED };

/* How far a handler is; it writes, anybody reads. */
struct ls_progress {
    atomic_uint_fast64_t done, total; /* total 0 = unknown */
};

/* What is told of a job. */
struct ls_job_view {
    char id[LS_ID_LEN];
    char kind[64]; /* method and route */
    char who[LS_TOKEN_NAME_MAX];
    enum ls_job_state state;
    int64_t created_ns, ended_ns; /* ended 0: not yet */
    uint64_t done, total;
    unsigned status; /* the answer's; 0: none yet */
};

const char *ls_job_state_name(enum ls_job_state state);

/* Take up the folder (made when it is missing); jobs that had not ended are aborted. */
enum ls_rc ls_jobs_open(struct ls_serve *serve, const char *folder, struct ls_jobs **out_jobs, struct ls_err *err)
    LS_MUST_CHECK;
void ls_jobs_close(struct ls_jobs *jobs); /* no job may run; takes NULL */

/* Run the request's handler later, in its route's lane; the request's contents are taken. LS_BUSY: the lane is full. */
enum ls_rc ls_jobs_start(struct ls_jobs *jobs, struct ls_request *req, char out_id[LS_ID_LEN], struct ls_err *err)
    LS_MUST_CHECK;
/* LS_NOT_FOUND. */
enum ls_rc ls_jobs_get(struct ls_jobs *jobs, const char *id, struct ls_job_view *out, struct ls_err *err) LS_MUST_CHECK;
/* Newest first; at most `most`; gives how many. */
size_t ls_jobs_list(struct ls_jobs *jobs, struct ls_job_view *out, size_t most);
/* A descriptor of a done job's answer. LS_NOT_FOUND. */
enum ls_rc ls_jobs_result(struct ls_jobs *jobs, const char *id, int *out_fd, struct ls_err *err) LS_MUST_CHECK;

#define LS_JOBS_KEPT 100

#endif
