/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one loop over sources and destinations. */
#define _GNU_SOURCE
#include "matrix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct attempt {
    const struct from *from;
    const struct to *to;
    unsigned flags;
    char what[512], source[PATH_SPACE], destination[PATH_SPACE];
    struct stat source_before, destination_before;
    bool had_destination;
    int handle; /* of the source, or -1 */
};

static int wanted_of(const struct attempt *attempt)
{
    if (attempt->to->how == EARLY)
        return attempt->to->wanted;
    if (attempt->from->kind == NOTHING)
        return ENOENT;
    if ((attempt->flags & RENAME_NOREPLACE) && (attempt->to->kind != NOTHING || attempt->to->how == NOT_MADE))
        return EEXIST;
    return attempt->to->wanted;
}

static const char *mark_of(const struct from *from)
{
    return from->kind == EMPTY_FILE ? "" : from->state == OPEN_AND_DIRTY ? "from, written on" : "from";
}

static void prepare(struct attempt *attempt)
{
    const struct from *from = attempt->from;
    const struct to *to = attempt->to;
    next_world();
    make_folders(at("A/w/hero-card"), true);
    make_folders(at("B/w/hero-card"), true);
    snprintf(attempt->source, PATH_SPACE, "%s", at(from->path));
    snprintf(attempt->destination, PATH_SPACE, "%s", to->how == ITSELF ? attempt->source : at(to->path));
    attempt->handle = -1;
    make(from->path, from->kind, "from");
    if (to->how != ITSELF && to->how != NOT_MADE)
        make(to->path, to->kind, "to");
    if (from->state != CLOSED)
        attempt->handle = open(attempt->source, from->state == OPEN_TO_READ ? O_RDONLY : O_RDWR | O_APPEND);
    if (from->state != CLOSED && attempt->handle < 0)
        give_up("open", attempt->source);
    if (from->state == OPEN_AND_DIRTY && write(attempt->handle, ", written", 9) != 9)
        give_up("write", attempt->source);
    if (from->kind != NOTHING && !there(attempt->source, &attempt->source_before))
        give_up("stat", attempt->source);
    attempt->had_destination = there(attempt->destination, &attempt->destination_before);
}

/* The handle goes on, wherever the name is now. */
static void use_handle(const struct attempt *attempt)
{
    char bytes[16];
    if (attempt->from->state == OPEN_TO_READ) {
        ssize_t n = pread(attempt->handle, bytes, sizeof bytes, 0);
        check(n == 4 && memcmp(bytes, "from", 4) == 0, "%s: the open handle reads the same bytes", attempt->what);
        close(attempt->handle);
    } else if (attempt->from->state == OPEN_AND_DIRTY) {
        bool written = write(attempt->handle, " on", 3) == 3;
        check(close(attempt->handle) == 0 && written, "%s: the open handle writes on", attempt->what);
    }
}

static bool is_the_source(const struct attempt *attempt, const char *path)
{
    struct stat st;
    if (!there(path, &st) || st.st_ino != attempt->source_before.st_ino || !listed(path) ||
        st.st_mode != attempt->source_before.st_mode)
        return false;
    if (attempt->from->kind == FULL_FOLDER)
        return holds(inside(path), "from");
    return attempt->from->kind == EMPTY_FOLDER || holds(path, mark_of(attempt->from));
}

static void check_moved(const struct attempt *attempt)
{
    bool itself = attempt->to->how == ITSELF;
    bool gone = !there(attempt->source, NULL) && !listed(attempt->source);
    if (itself)
        check(!gone, "%s: the name is still there", attempt->what);
    else
        check(gone, "%s: the old name is gone", attempt->what);
    check(is_the_source(attempt, attempt->destination), "%s: the new name is the file", attempt->what);
}

static void check_unmoved(const struct attempt *attempt)
{
    if (attempt->from->kind != NOTHING)
        check(is_the_source(attempt, attempt->source), "%s: the old name stays", attempt->what);
    struct stat st;
    bool now = there(attempt->destination, &st);
    bool same = now == attempt->had_destination && (!now || st.st_ino == attempt->destination_before.st_ino);
    if (same && attempt->to->how == LATE && attempt->to->kind == FILE_)
        same = holds(attempt->destination, "to");
    if (same && attempt->to->how == LATE && attempt->to->kind == FULL_FOLDER)
        same = holds(inside(attempt->destination), "to");
    check(same, "%s: the destination is as before", attempt->what);
}

static void run_one(const struct from *from, const struct to *to, unsigned flags)
{
    struct attempt attempt = {.from = from, .to = to, .flags = flags};
    snprintf(attempt.what, sizeof attempt.what, "%s to %s%s", from->what, to->what, flags ? " (no replace)" : "");
    prepare(&attempt);
    int wanted = wanted_of(&attempt);
    int found = try_rename(attempt.source, attempt.destination, flags);
    check_errno(found, wanted, attempt.what);
    use_handle(&attempt);
    if (found == 0)
        check_moved(&attempt);
    else
        check_unmoved(&attempt);
}

void run_matrix(const struct from *from, size_t n_from, const struct to *to, size_t n_to)
{
    for (size_t i = 0; i < n_from; i++)
        for (size_t j = 0; j < n_to; j++) {
            if (i > 0 && !to[j].for_all)
                continue;
            if (to[j].how == ITSELF && from[i].kind == NOTHING)
                continue;
            run_one(&from[i], &to[j], 0);
            run_one(&from[i], &to[j], RENAME_NOREPLACE);
        }
}
