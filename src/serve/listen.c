/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The listening socket. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "serve/internal.h"

#define BACKLOG 512

/* "ADDRESS:PORT" into its halves, brackets off. */
static enum ls_rc split(const char *text, char host[256], char port[8], struct ls_err *err)
{
    const char *colon = strrchr(text, ':');
    const char *begin = text, *end = colon;
    if (colon && *text == '[' && colon > text + 1 && colon[-1] == ']') {
        begin++;
        end--;
    } else if (colon && memchr(text, ':', (size_t)(colon - text))) {
        colon = NULL; /* an IPv6 address without brackets: where does it end? */
    }
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    if (!colon || end == begin || end - begin > 255 || digits < 1 || digits > 5 || colon[1 + digits] ||
        strtoul(colon + 1, NULL, 10) > 65535)
        return ls_err_set(err, LS_INVALID, "serve: '%s' is no address to listen on: want ADDRESS:PORT", text);
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    memcpy(port, colon + 1, digits + 1);
    return LS_OK;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* The address that the socket has got, as a URL shows it. */
static enum ls_rc describe(struct ls_listener *listener, struct ls_err *err)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    char host[80], port[8];
    if (getsockname(listener->fd, (struct sockaddr *)&address, &len) != 0)
        return ls_err_errno(err, errno, "serve: the listening socket has no address");
    if (getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return ls_err_set(err, LS_INVALID, "serve: the listening socket is none of IP");
    listener->loopback = is_loopback((struct sockaddr *)&address);
    snprintf(listener->address, sizeof listener->address, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    return LS_OK;
}

static int open_socket(const struct addrinfo *info)
{
    const int on = 1;
    LS_AUTO(ls_fd) int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return -1;
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
        return -1;
    return ls_fd_steal(&fd);
}

enum ls_rc ls_listen_passed(int fd, struct ls_listener *out_listener, struct ls_err *err)
{
    int listening = 0;
    socklen_t len = sizeof listening;
    struct ls_listener listener = {.fd = fd};
    enum ls_rc rc = LS_OK;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening)
        rc = ls_err_set(err, LS_INVALID, "serve: what was passed as descriptor %d is no listening socket", fd);
    if (!rc)
        rc = describe(&listener, err);
    if (rc)
        close(fd);
    else
        *out_listener = listener;
    return rc;
}

enum ls_rc ls_listen(const char *address, struct ls_listener *out_listener, struct ls_err *err)
{
    char host[256], port[8];
    enum ls_rc rc = split(address, host, port, err);
    if (rc)
        return rc;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed)
        return ls_err_set(err, LS_INVALID, "serve: cannot listen on '%s': %s", address, gai_strerror(failed));
    struct ls_listener listener = {.fd = open_socket(found)};
    int saved = errno;
    freeaddrinfo(found);
    if (listener.fd < 0 && saved == EADDRINUSE)
        return ls_err_set(err, LS_BUSY, "serve: somebody listens on %s already: take another port", address);
    if (listener.fd < 0)
        return ls_err_errno(err, saved, "serve: cannot listen on %s", address);
    rc = describe(&listener, err);
    if (rc) {
        close(listener.fd);
        return rc;
    }
    *out_listener = listener;
    return LS_OK;
}
