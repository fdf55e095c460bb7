/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The program's side of the terminal: exit statuses, output, questions, the progress bar, Ctrl-C.
 *
 * Results go to standard output, everything else to standard error. For the main thread.
 */
#ifndef LOCKSTEP_CLI_TERM_H
#define LOCKSTEP_CLI_TERM_H

#include <stdatomic.h>
#include <stdint.h>

#include "lockstep/err.h"

/* Exit statuses that scripts rely on. */
enum ls_exit {
    LS_EXIT_OK = 0,
    LS_EXIT_DIFFERENCES = 1,
    LS_EXIT_INCOMPLETE = 2,
    LS_EXIT_GUARD = 3,
    LS_EXIT_ERROR = 4,
    LS_EXIT_USAGE = 64
};

/* Let SIGINT and SIGTERM set the flag below (a second one kills), and ignore SIGPIPE. */
void ls_cli_catch_signals(void);
extern atomic_bool ls_cli_cancelled;

enum ls_confirm {
    LS_CONFIRM_MUST, /* what goes is found by the program: no terminal and no --yes means no */
    LS_CONFIRM_NAMED /* what goes was named on the command line: asked only on a terminal */
};
/* Ask before something that destroys; "This will …". LS_EXIT_OK to go on; else says so and returns LS_EXIT_USAGE
 * (nobody to ask) or LS_EXIT_ERROR (the answer was no). */
int ls_cli_confirm(enum ls_confirm confirm, bool yes, const char *fmt, ...) LS_PRINTF(3, 4);

/* Flush standard output: `status`, or LS_EXIT_ERROR after saying that it could not be written. */
int ls_cli_finish(int status);

/* A key for people on standard output: control bytes and invalid UTF-8 escaped as \xNN, so that a name can neither
 * break a line nor drive the terminal. */
void ls_cli_print_key(const char *key);

/* A progress bar on standard error when that is a terminal; the end is a call with done == total == 0. */
void ls_cli_progress(void *ctx, uint64_t done, uint64_t total);

#endif
