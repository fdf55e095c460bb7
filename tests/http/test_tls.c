/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates: what is not vouched for, or made out to another name, gets no request. The server is OpenSSL's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/http.h"

static char dir[] = "/tmp/ls-test-tls-XXXXXX";

struct server {
    pid_t pid;
    FILE *out;
    char url[64];
};

static void make_certificate(const char *name, const char *alt)
{
    char command[512];
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test -addext "
             "subjectAltName=%s -keyout %s/%s.key -out %s/%s.pem >%s/log 2>&1",
             alt, dir, name, dir, name, dir);
    assert_int_equal(system(command), 0);
}

static void start_server(struct server *server, const char *name)
{
    int out[2], port = 0;
    char cert[128], key[128], line[256];

    snprintf(cert, sizeof cert, "%s/%s.pem", dir, name);
    snprintf(key, sizeof key, "%s/%s.key", dir, name);
    assert_int_equal(pipe(out), 0);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        alarm(250); /* never outlive a test that died */
        execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-www",
               (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    server->out = fdopen(out[0], "r");
    while (port == 0 && fgets(line, sizeof line, server->out) != NULL)
        sscanf(line, "ACCEPT 127.0.0.1:%d", &port);
    assert_int_not_equal(port, 0);
    snprintf(server->url, sizeof server->url, "https://127.0.0.1:%d/", port);
}

static void stop_server(struct server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    fclose(server->out);
}

/* GET from a server with this certificate, trusting ca (NULL = the system's). */
static enum ls_rc get(const char *certificate, const char *ca, int *out_status)
{
    struct server server;
    struct ls_http *http = NULL;
    struct ls_http_request req, *list = &req;
    struct ls_err err = LS_ERR_INIT;
    char ca_file[128];
    struct ls_http_opts opts = {0};

    if (ca != NULL) {
        snprintf(ca_file, sizeof ca_file, "%s/%s.pem", dir, ca);
        opts.ca_file = ca_file;
    }
    start_server(&server, certificate);
    assert_int_equal(ls_http_open(&opts, &http, &err), LS_OK);
    ls_http_request_init(&req);
    req.url = server.url;
    enum ls_rc rc = ls_http_perform(http, &list, 1, &err);
    *out_status = req.status;
    ls_http_request_dispose(&req);
    ls_http_close(http);
    stop_server(&server);
    return rc;
}

static int make_certificates(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    make_certificate("good", "IP:127.0.0.1");
    make_certificate("other", "DNS:other.example");
    return 0;
}

static int remove_certificates(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static void a_certificate_that_is_vouched_for_is_accepted(void **state)
{
    (void)state;
    int status;
    assert_int_equal(get("good", "good", &status), LS_OK);
    assert_int_equal(status, 200);
}

static void a_self_signed_certificate_is_denied(void **state)
{
    (void)state;
    int status;
    assert_int_equal(get("good", NULL, &status), LS_DENIED);
    assert_int_equal(get("good", "other", &status), LS_DENIED);
    assert_int_equal(status, 0);
}

static void a_certificate_for_another_host_is_denied(void **state)
{
    (void)state;
    int status;
    assert_int_equal(get("other", "other", &status), LS_DENIED);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_that_is_vouched_for_is_accepted),
        cmocka_unit_test(a_self_signed_certificate_is_denied),
        cmocka_unit_test(a_certificate_for_another_host_is_denied),
    };
    if (system("openssl version >/dev/null 2>&1") != 0) {
        printf("skipped: the openssl command is missing\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
