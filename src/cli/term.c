/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Output, questions, progress, signals. */
#include "cli/term.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

atomic_bool ls_cli_cancelled;

static void cancel(int sig)
{
    (void)sig;
    atomic_store(&ls_cli_cancelled, true);
}

void ls_cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = cancel, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int ls_cli_confirm(enum ls_confirm confirm, bool yes, const char *fmt, ...)
{
    bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    if (yes || (!terminal && confirm == LS_CONFIRM_NAMED))
        return LS_EXIT_OK;
    ls_cli_progress(NULL, 0, 0);
    fflush(stdout);
    va_list args;
    va_start(args, fmt);
    fputs(terminal ? "This will " : "lockstep: this would ", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    if (!terminal) {
        fputs("; there is no terminal to ask on: say --yes if that is meant\n", stderr);
        return LS_EXIT_USAGE;
    }
    fputs(". Go on? [y/N] ", stderr);
    char answer[16] = "";
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return LS_EXIT_OK;
    fputs("lockstep: nothing was changed\n", stderr);
    return LS_EXIT_ERROR;
}

/* ---- output ---- */

int ls_cli_finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno != EPIPE)
        fprintf(stderr, "lockstep: cannot write the output: %s\n", strerror(errno));
    return LS_EXIT_ERROR;
}

void ls_cli_print_key(const char *key)
{
    size_t len = strlen(key);
    bool text = ls_utf8_valid(key, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)key[i];
        /* C1 controls are 0xC2 0x80…0x9F in UTF-8. */
        bool c1 = c == 0xC2 && i + 1 < len && (unsigned char)key[i + 1] < 0xA0;
        bool after_c1 = i > 0 && c < 0xA0 && c >= 0x80 && (unsigned char)key[i - 1] == 0xC2;
        if (c < 0x20 || c == 0x7F || c1 || after_c1 || (c >= 0x80 && !text))
            printf("\\x%02x", c);
        else
            putchar(c);
    }
}

void ls_cli_progress(void *ctx, uint64_t done, uint64_t total)
{
    static bool shown;
    static int64_t last_ms;
    (void)ctx;
    if (!isatty(STDERR_FILENO))
        return;
    if (done == 0 && total == 0) {
        if (shown)
            fputs("\r\x1b[K", stderr);
        shown = false;
        return;
    }
    int64_t now_ms = ls_monotonic_ms();
    if (shown && now_ms - last_ms < 100)
        return;
    shown = true;
    last_ms = now_ms;
    if (total == 0 || done > total) {
        fprintf(stderr, "\r\x1b[K%" PRIu64, done);
        return;
    }
    enum { WIDTH = 40 };
    int full = (int)((double)done / (double)total * WIDTH);
    fprintf(stderr, "\r\x1b[K[%.*s%*s] %3d%%  %" PRIu64 " of %" PRIu64, full,
            "########################################", WIDTH - full, "", (int)((double)done / (double)total * 100),
            done, total);
}
