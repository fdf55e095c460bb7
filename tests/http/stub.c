/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The scripted server; stub.h says what it does. `lock` guards everything but the sockets, which are the thread's. */
#include "http/stub.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 64
#define MAX_ANSWERS 256
#define MAX_REQUESTS 4096

struct answer {
    char *bytes;
    enum stub_then then;
};

struct connection {
    int fd;
    char *data;
    size_t len, cap;
    bool continued; /* 100 Continue was sent for the request that is coming */
};

struct stub {
    int listener, wake[2];
    char origin[64];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct answer answers[MAX_ANSWERS];
    size_t n_answers, next_answer;
    char *requests[MAX_REQUESTS];
    size_t n_requests, n_accepted;
    struct connection connections[MAX_CONNECTIONS];
    size_t n_connections;
};

static void die(const char *what)
{
    perror(what);
    exit(99);
}

static void *must(void *memory)
{
    if (memory == NULL)
        die("stub: memory");
    return memory;
}

static void send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

static void drop(struct stub *stub, size_t i)
{
    close(stub->connections[i].fd);
    free(stub->connections[i].data);
    stub->connections[i] = stub->connections[--stub->n_connections];
}

/* Record a request and find its answer. */
static struct answer take_answer(struct stub *stub, const char *request, size_t len)
{
    struct answer answer = {NULL, STUB_CLOSE};
    pthread_mutex_lock(&stub->lock);
    if (stub->n_requests < MAX_REQUESTS)
        stub->requests[stub->n_requests++] = must(strndup(request, len));
    if (stub->n_answers > 0) {
        size_t i = stub->next_answer < stub->n_answers ? stub->next_answer++ : stub->n_answers - 1;
        answer = stub->answers[i];
    }
    answer.bytes = must(strdup(answer.bytes != NULL ? answer.bytes : ""));
    pthread_cond_broadcast(&stub->came);
    pthread_mutex_unlock(&stub->lock);
    return answer;
}

/* The length of the first whole request in the connection's data, or 0. */
static size_t whole_request(struct connection *c)
{
    char *end = strstr(c->data, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - c->data) + 4, body = 0;
    for (char *line = strstr(c->data, "\r\n"); line != NULL && line < end; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "Content-Length:", 15) == 0)
            body = strtoul(line + 17, NULL, 10);
        if (strncasecmp(line + 2, "Expect: 100", 11) == 0 && !c->continued) {
            c->continued = true;
            send_all(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        }
    }
    return c->len >= head + body ? head + body : 0;
}

/* Read what came and answer what is whole; false when the connection is over. */
static bool serve(struct stub *stub, struct connection *c)
{
    if (c->cap - c->len < 65536)
        c->data = must(realloc(c->data, c->cap += 131072));
    ssize_t n = recv(c->fd, c->data + c->len, c->cap - c->len - 1, 0);
    if (n <= 0)
        return false;
    c->len += (size_t)n;
    c->data[c->len] = '\0';
    for (size_t whole; (whole = whole_request(c)) > 0;) {
        struct answer answer = take_answer(stub, c->data, whole);
        send_all(c->fd, answer.bytes, strlen(answer.bytes));
        free(answer.bytes);
        memmove(c->data, c->data + whole, c->len - whole + 1);
        c->len -= whole;
        c->continued = false;
        if (answer.then == STUB_CLOSE)
            return false;
    }
    return true;
}

static void accept_one(struct stub *stub)
{
    int fd = accept4(stub->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (stub->n_connections == MAX_CONNECTIONS) {
        close(fd);
        return;
    }
    stub->connections[stub->n_connections++] =
        (struct connection){.fd = fd, .data = must(calloc(1, 131072)), .cap = 131072};
    pthread_mutex_lock(&stub->lock);
    stub->n_accepted++;
    pthread_mutex_unlock(&stub->lock);
}

static void *stub_main(void *ctx)
{
    struct stub *stub = ctx;
    for (;;) {
        struct pollfd fds[MAX_CONNECTIONS + 2] = {{stub->wake[0], POLLIN, 0}, {stub->listener, POLLIN, 0}};
        size_t n = stub->n_connections;
        for (size_t i = 0; i < n; i++)
            fds[i + 2] = (struct pollfd){stub->connections[i].fd, POLLIN, 0};
        if (poll(fds, n + 2, -1) < 0)
            continue;
        if (fds[0].revents != 0)
            break;
        for (size_t i = n; i-- > 0;)
            if (fds[i + 2].revents != 0 && !serve(stub, &stub->connections[i]))
                drop(stub, i);
        if (fds[1].revents != 0)
            accept_one(stub);
    }
    while (stub->n_connections > 0)
        drop(stub, stub->n_connections - 1);
    return NULL;
}

struct stub *stub_start(void)
{
    struct stub *stub = must(calloc(1, sizeof *stub));
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;

    stub->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stub->listener < 0 || bind(stub->listener, (struct sockaddr *)&addr, len) != 0 ||
        listen(stub->listener, 128) != 0 || getsockname(stub->listener, (struct sockaddr *)&addr, &len) != 0 ||
        pipe(stub->wake) != 0)
        die("stub: socket");
    snprintf(stub->origin, sizeof stub->origin, "http://127.0.0.1:%d", ntohs(addr.sin_port));
    pthread_mutex_init(&stub->lock, NULL);
    pthread_cond_init(&stub->came, NULL);
    if (pthread_create(&stub->thread, NULL, stub_main, stub) != 0)
        die("stub: thread");
    return stub;
}

void stub_reset(struct stub *stub)
{
    pthread_mutex_lock(&stub->lock);
    for (size_t i = 0; i < stub->n_answers; i++)
        free(stub->answers[i].bytes);
    for (size_t i = 0; i < stub->n_requests; i++)
        free(stub->requests[i]);
    stub->n_answers = stub->next_answer = stub->n_requests = 0;
    pthread_mutex_unlock(&stub->lock);
}

void stub_stop(struct stub *stub)
{
    if (write(stub->wake[1], "", 1) != 1)
        die("stub: pipe");
    pthread_join(stub->thread, NULL);
    stub_reset(stub);
    close(stub->listener);
    close(stub->wake[0]);
    close(stub->wake[1]);
    pthread_mutex_destroy(&stub->lock);
    pthread_cond_destroy(&stub->came);
    free(stub);
}

const char *stub_origin(const struct stub *stub) { return stub->origin; }

void stub_answer(struct stub *stub, const char *bytes, enum stub_then then)
{
    pthread_mutex_lock(&stub->lock);
    if (stub->n_answers == MAX_ANSWERS)
        die("stub: too many answers");
    stub->answers[stub->n_answers++] = (struct answer){must(strdup(bytes)), then};
    pthread_mutex_unlock(&stub->lock);
}

void stub_reply(struct stub *stub, int status, const char *headers, const char *body)
{
    size_t size = strlen(headers) + strlen(body) + 128;
    char *bytes = must(malloc(size));
    snprintf(bytes, size, "HTTP/1.1 %d Stub\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
    stub_answer(stub, bytes, STUB_KEEP);
    free(bytes);
}

size_t stub_requests(struct stub *stub)
{
    pthread_mutex_lock(&stub->lock);
    size_t n = stub->n_requests;
    pthread_mutex_unlock(&stub->lock);
    return n;
}

size_t stub_connections(struct stub *stub)
{
    pthread_mutex_lock(&stub->lock);
    size_t n = stub->n_accepted;
    pthread_mutex_unlock(&stub->lock);
    return n;
}

const char *stub_request(struct stub *stub, size_t i)
{
    pthread_mutex_lock(&stub->lock);
    const char *text = i < stub->n_requests ? stub->requests[i] : "";
    pthread_mutex_unlock(&stub->lock);
    return text;
}

void stub_wait(struct stub *stub, size_t n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&stub->lock);
    while (stub->n_requests < n)
        if (pthread_cond_timedwait(&stub->came, &stub->lock, &until) != 0) {
            fprintf(stderr, "stub: request %zu never came\n", n);
            exit(99);
        }
    pthread_mutex_unlock(&stub->lock);
}
