/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Starting threads.
 */
#ifndef LOCKSTEP_BASE_THREAD_H
#define LOCKSTEP_BASE_THREAD_H

#include <pthread.h>

/* Start a thread that takes no signals: those are the main thread's. name has up to 15 bytes; NULL: that of the
 * thread that starts it. 0, or an errno. */
int ls_thread_start(pthread_t *out_thread, const char *name, void *(*body)(void *), void *arg);

#endif
