/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A thread inherits the mask of signals of the one that starts it. */
#include "base/thread.h"

#include <signal.h>
#include <stddef.h>

int ls_thread_start(pthread_t *out_thread, const char *name, void *(*body)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(out_thread, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed && name)
        pthread_setname_np(*out_thread, name);
    return failed;
}
