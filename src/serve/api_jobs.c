/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Jobs as resources: start (202), list, look, follow, take the answer. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "serve/internal.h"
#include "serve/jobs.h"
#include "serve/problem.h"

void ls_job_json(struct ls_json *json, const struct ls_job_view *view)
{
    char result[64];
    snprintf(result, sizeof result, "/admin/jobs/%s/result", view->id);
    ls_json_object(json, NULL);
    ls_json_str(json, "id", view->id);
    ls_json_str(json, "kind", view->kind);
    ls_json_str(json, "state", ls_job_state_name(view->state));
    ls_json_str(json, "startedBy", view->who);
    ls_json_time(json, "createdAt", view->created_ns);
    ls_json_time(json, "endedAt", view->ended_ns);
    ls_json_uint(json, "done", view->done);
    ls_json_uint(json, "total", view->total);
    ls_json_uint(json, "status", view->status);
    ls_json_str(json, "result", view->state == LS_JOB_DONE ? result : NULL);
    ls_json_end_object(json);
}

static void answer_job(const struct ls_job_view *view, unsigned status, struct ls_reply *reply)
{
    struct ls_json json;
    if (!ls_reply_json(reply, status, &json))
        return;
    ls_job_json(&json, view);
    ls_json_newline(&json);
}

void ls_api_job_start(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_job_view view;
    char id[LS_ID_LEN];
    struct ls_err err = LS_ERR_INIT;
    if (strcmp(ls_request_query(req, "async"), "1") != 0) {
        ls_problem(reply, 400, "wrong-type", "query: async must be 0 or 1");
        return;
    }
    if (req->route->check && !req->route->check(serve, req, reply))
        return;
    enum ls_rc rc = ls_jobs_start(serve->jobs, req, id, &err);
    if (rc == LS_BUSY) {
        ls_problem(reply, 503, "busy", "%s", err.text);
        ls_reply_header(reply, "Retry-After", "5");
        return;
    }
    if (!rc)
        rc = ls_jobs_get(serve->jobs, id, &view, &err);
    if (rc) {
        ls_problem_err(reply, &err);
        return;
    }
    answer_job(&view, 202, reply);
    ls_reply_header(reply, "Location", "/admin/jobs/%s", id);
}

void ls_api_jobs(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    LS_AUTO(ls_free) struct ls_job_view *views = calloc(LS_JOBS_KEPT, sizeof *views);
    FILE *out = views ? ls_reply_text(reply, 200, "application/json") : NULL;
    struct ls_json json;
    (void)req;
    if (!out)
        return;
    size_t n = ls_jobs_list(serve->jobs, views, LS_JOBS_KEPT);
    ls_json_init(&json, out);
    ls_json_object(&json, NULL);
    ls_json_array(&json, "jobs");
    for (size_t i = 0; i < n; i++)
        ls_job_json(&json, &views[i]);
    ls_json_end_array(&json);
    ls_json_end_object(&json);
    ls_json_newline(&json);
}

void ls_api_job(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_job_view view;
    struct ls_err err = LS_ERR_INIT;
    if (ls_jobs_get(serve->jobs, ls_request_param(req, ":job"), &view, &err))
        ls_problem_err(reply, &err);
    else
        answer_job(&view, 200, reply);
}

void ls_api_job_result(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    const char *id = ls_request_param(req, ":job");
    struct ls_job_view view;
    struct ls_err err = LS_ERR_INIT;
    LS_AUTO(ls_fd) int fd = -1;
    struct stat st;
    enum ls_rc rc = ls_jobs_get(serve->jobs, id, &view, &err);
    if (!rc && view.state != LS_JOB_DONE) {
        ls_problem(reply, 409, "no-answer-yet", "the job is %s, it has no answer", ls_job_state_name(view.state));
        return;
    }
    if (!rc)
        rc = ls_jobs_result(serve->jobs, id, &fd, &err);
    if (!rc && fstat(fd, &st) != 0)
        rc = ls_err_set(&err, LS_IO, "serve: the answer of job %s cannot be read", id);
    if (rc) {
        ls_problem_err(reply, &err);
        return;
    }
    ls_reply_fd(reply, view.status, view.status < 300 ? "application/json" : "application/problem+json",
                ls_fd_steal(&fd), (uint64_t)st.st_size);
}

void ls_api_job_events(struct ls_serve *serve, struct ls_request *req, struct ls_reply *reply)
{
    struct ls_job_view view;
    struct ls_err err = LS_ERR_INIT;
    pthread_mutex_lock(&serve->events.lock);
    bool room = serve->events.n < LS_STREAMS_MOST;
    pthread_mutex_unlock(&serve->events.lock);
    if (ls_jobs_get(serve->jobs, ls_request_param(req, ":job"), &view, &err))
        ls_problem_err(reply, &err);
    else if (!room)
        ls_problem(reply, 503, "busy", "%d streams are open already", LS_STREAMS_MOST);
    else
        ls_reply_events(reply, view.id);
}
