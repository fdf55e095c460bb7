/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Scoped cleanup: LS_AUTO(ls_buf) struct ls_buf b = LS_BUF_INIT(…); runs ls_buf_auto(&b) when the scope ends.
 *
 * A module that owns a resource defines `<name>_auto` beside its destructor with LS_AUTO_DEFINE. To hand a result out,
 * steal it from the scoped local: LS_STEAL for pointers and descriptors, ls_buf_move for buffers.
 */
#ifndef LOCKSTEP_BASE_AUTO_H
#define LOCKSTEP_BASE_AUTO_H

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define LS_AUTO(name) __attribute__((cleanup(name##_auto)))

/* Define the cleanup function for a pointer type whose destructor takes NULL. */
#define LS_AUTO_DEFINE(name, type, destroy)                                                                            \
    static inline void name##_auto(type *owned) { destroy(*owned); }

/* Take a pointer out of its scoped variable. */
#define LS_STEAL(var)                                                                                                  \
    __extension__({                                                                                                    \
        __typeof__(var) ls_stolen_ = (var);                                                                            \
        (var) = 0;                                                                                                     \
        ls_stolen_;                                                                                                    \
    })

/* LS_AUTO(ls_free) char *text = …; */
static inline void ls_free_auto(void *owned) { free(*(void **)owned); }

/* LS_AUTO(ls_fd) int fd = open(…); negative means none. */
static inline void ls_fd_auto(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline int ls_fd_steal(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

/* LS_LOCK(&mutex); holds it until the scope ends. */
static inline pthread_mutex_t *ls_lock_take(pthread_mutex_t *mutex)
{
    pthread_mutex_lock(mutex);
    return mutex;
}
static inline void ls_lock_auto(pthread_mutex_t *const *held) { pthread_mutex_unlock(*held); }
#define LS_LOCK_NAME2(line) ls_lock_held_##line
#define LS_LOCK_NAME(line) LS_LOCK_NAME2(line)
#define LS_LOCK(mutex)                                                                                                 \
    LS_AUTO(ls_lock) __attribute__((unused)) pthread_mutex_t *LS_LOCK_NAME(__LINE__) = ls_lock_take(mutex)

#endif
