/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Open handles, times and what else stays with a file that is renamed; and a file system that is read only. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

#define F "A/w/hero-card"
#define SIZE(array) (sizeof(array) / sizeof *(array))

static int open_or_give_up(const char *path, int flags)
{
    int fd = open(path, flags, 0644);
    if (fd < 0)
        give_up("open", path);
    return fd;
}

static bool reads(int fd, const char *bytes)
{
    char found[64];
    ssize_t n = pread(fd, found, sizeof found, 0);
    return n == (ssize_t)strlen(bytes) && memcmp(found, bytes, (size_t)n) == 0;
}

static void renamed(const char *from, const char *to) { check_errno(try_rename(at(from), at(to), 0), 0, "rename"); }

/* Each pair: file, scratch file, other weight. */
static const char *const pairs[][2] = {
    {F "/from", F "/to"}, {F "/from~", F "/to"}, {F "/from", F "/to~"}, {F "/from", "B/w/hero-card/to"}};

static void the_replaced_file_lives_on(const char *from, const char *to)
{
    struct stat st;
    make(from, FILE_, "from");
    make(to, FILE_, "to");
    int reader = open_or_give_up(at(to), O_RDONLY), writer = open_or_give_up(at(to), O_RDWR);
    renamed(from, to);
    check(reads(reader, "to"), "a handle of the replaced file reads its bytes");
    check(fstat(reader, &st) == 0 && st.st_size == 2, "fstat of the replaced file shows its size");
    check(pwrite(writer, "TO!", 3, 0) == 3, "a handle of the replaced file can write");
    check(reads(writer, "TO!") && reads(reader, "TO!"), "both handles of the replaced file see that");
    check(holds(at(to), "from"), "the name has the new file's bytes");
    check(close(writer) == 0 && close(reader) == 0, "closing the replaced file's handles");
    check(holds(at(to), "from"), "the name has the new file's bytes after the close");
}

static void the_moved_file_keeps_its_handles(const char *from, const char *to)
{
    struct stat by_handle, by_name;
    make(from, FILE_, "from");
    make_folders(at(to), false);
    int writer = open_or_give_up(at(from), O_RDWR | O_APPEND), reader = open_or_give_up(at(from), O_RDONLY);
    check(write(writer, "+1", 2) == 2, "write before the rename");
    renamed(from, to);
    check(write(writer, "+2", 2) == 2, "write after the rename");
    check(reads(reader, "from+1+2"), "another handle reads both");
    check(fstat(writer, &by_handle) == 0 && there(at(to), &by_name) && by_handle.st_ino == by_name.st_ino &&
              by_handle.st_size == by_name.st_size,
          "fstat and stat agree");
    check(ftruncate(writer, 6) == 0 && reads(reader, "from+1"), "truncate after the rename");
    check(fsync(writer) == 0, "fsync after the rename");
    check(close(writer) == 0 && close(reader) == 0, "close after the rename");
    check(holds(at(to), "from+1") && !there(at(from), NULL), "the new name has it all");
}

static void the_mapping_stays(const char *from, const char *to)
{
    make(from, FILE_, "from");
    make(to, FILE_, "to");
    int fd = open_or_give_up(at(from), O_RDWR);
    char *map = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        give_up("mmap", from);
    renamed(from, to);
    check(memcmp(map, "from", 4) == 0, "a mapping reads the same bytes after the rename");
    map[0] = 'F';
    check(msync(map, 4, MS_SYNC) == 0 && munmap(map, 4) == 0 && close(fd) == 0, "a mapping writes after the rename");
    check(holds(at(to), "From"), "what was written through the mapping is under the new name");
}

static void a_new_file_takes_the_old_name(const char *from, const char *to)
{
    make(from, FILE_, "from");
    make_folders(at(to), false);
    int fd = open_or_give_up(at(from), O_RDWR);
    renamed(from, to);
    write_file(at(from), "another");
    check(pwrite(fd, "FROM", 4, 0) == 4 && close(fd) == 0, "write to the renamed file");
    check(holds(at(from), "another"), "the old name has the new file");
    check(holds(at(to), "FROM"), "the new name has the old one");
    check_errno(try_rename(at(to), at(from), 0), 0, "rename it back");
    check(holds(at(from), "FROM") && !there(at(to), NULL), "the file is back under the old name");
}

static void unlinked_while_open(const char *from, const char *to)
{
    make(from, FILE_, "from");
    make_folders(at(to), false);
    int fd = open_or_give_up(at(from), O_RDWR);
    renamed(from, to);
    check(unlink(at(to)) == 0 && !there(at(to), NULL), "unlink after the rename");
    check(reads(fd, "from") && pwrite(fd, "F", 1, 0) == 1 && reads(fd, "From"), "the handle goes on without a name");
    check(close(fd) == 0 && !there(at(to), NULL) && !there(at(from), NULL), "nothing comes back at the close");
}

static bool same_time(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

static bool later(struct timespec a, struct timespec b)
{
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static void attributes_stay(const char *from, enum kind kind, const char *to, const char *from_folder,
                            const char *to_folder)
{
    const struct timespec old[2] = {{981173106, 789012345}, {981173106, 789012345}};
    struct stat before, after, folder;
    make(from, kind, "from");
    make_folders(at(to), false);
    check(chmod(at(from), 0640) == 0 && utimensat(AT_FDCWD, at(from), old, 0) == 0, "set mode and time of %s", from);
    check(utimensat(AT_FDCWD, at(from_folder), old, 0) == 0 && utimensat(AT_FDCWD, at(to_folder), old, 0) == 0,
          "set the times of both folders");
    if (!there(at(from), &before))
        give_up("stat", from);
    renamed(from, to);
    check(there(at(to), &after) && after.st_ino == before.st_ino, "%s: the inode stays", from);
    check(same_time(after.st_mtim, old[1]), "%s: the time of modification stays", from);
    check(after.st_mode == before.st_mode && after.st_uid == before.st_uid && after.st_nlink == before.st_nlink,
          "%s: mode, owner and link count stay", from);
    check(!later(before.st_ctim, after.st_ctim), "%s: the time of change does not go back", from);
    check(there(at(from_folder), &folder) && later(folder.st_mtim, old[1]), "the old folder has changed");
    check(there(at(to_folder), &folder) && later(folder.st_mtim, old[1]), "the new folder has changed");
    check(later(folder.st_ctim, old[1]), "the new folder's time of change");
}

static void a_renamed_folder_keeps_what_is_open(const char *from, const char *to)
{
    char old_inside[PATH_SPACE], new_inside[PATH_SPACE];
    make(from, FULL_FOLDER, "from");
    make_folders(at(to), false);
    snprintf(old_inside, sizeof old_inside, "%s", inside(at(from)));
    snprintf(new_inside, sizeof new_inside, "%s", inside(at(to)));
    int fd = open_or_give_up(old_inside, O_RDWR | O_APPEND), dir = open_or_give_up(at(from), O_RDONLY | O_DIRECTORY);
    check(write(fd, "+1", 2) == 2, "write in %s before the rename", from);
    renamed(from, to);
    check(write(fd, "+2", 2) == 2 && close(fd) == 0, "write in %s after the rename", from);
    check(holds(new_inside, "from+1+2"), "%s: the file in it has it all", from);
    check(!there(old_inside, NULL) && !there(at(from), NULL), "%s: the old path is gone", from);
    struct stat by_handle, by_name;
    check(fstat(dir, &by_handle) == 0 && there(at(to), &by_name) && by_handle.st_ino == by_name.st_ino,
          "%s: its handle is the folder", from);
    check(faccessat(dir, strrchr(new_inside, '/') + 1, F_OK, 0) == 0 || inside(at(to))[strlen(at(to))] == '/',
          "%s: names are found from its handle", from);
    DIR *list = fdopendir(dir);
    unsigned entries = 0;
    while (list && readdir(list))
        entries++;
    check(entries == 3, "%s: its handle lists it", from);
    if (list)
        closedir(list);
    check(mkdir(at(from), 0755) == 0 && rmdir(at(from)) == 0, "%s: the old name can be used again", from);
}

static void the_working_folder_moves_along(void)
{
    char cwd[PATH_SPACE];
    make(F "/from", FILE_, "from");
    check(chdir(at("A/w")) == 0, "chdir");
    renamed("A", "C");
    check(holds("hero-card/from", "from"), "a relative path works in a renamed folder");
    check(getcwd(cwd, sizeof cwd) && strcmp(cwd, at("C/w")) == 0, "getcwd shows the new name");
    check_errno(try_rename("hero-card/from", "hero-card/to", 0), 0, "rename in the renamed folder");
    check(holds(at("C/w/hero-card/to"), "from"), "the file is under both new names");
    check(chdir(mount_at) == 0 && chdir("/") == 0, "chdir away");
}

void cases_handles(void)
{
    static void (*const with_pair[])(const char *, const char *) = {
        the_replaced_file_lives_on, the_moved_file_keeps_its_handles, the_mapping_stays, a_new_file_takes_the_old_name,
        unlinked_while_open,
    };
    static const char *const folders[][2] = {
        {"C", "D"}, {"A/v", "A/to"}, {"A/v", "B/to"}, {"A/v/info-card", "A/v/other-images"}, {F, "B/v/hero-card"}};
    for (size_t i = 0; i < SIZE(with_pair); i++)
        for (size_t j = 0; j < SIZE(pairs); j++) {
            next_world();
            with_pair[i](pairs[j][0], pairs[j][1]);
        }
    for (size_t i = 0; i < SIZE(folders); i++) {
        next_world();
        a_renamed_folder_keeps_what_is_open(folders[i][0], folders[i][1]);
    }
    next_world();
    attributes_stay(F "/from", FILE_, "B/w/hero-card/to", F, "B/w/hero-card");
    next_world();
    attributes_stay(F "/from", FILE_, F "/to", F, F);
    next_world();
    attributes_stay("A/v", FULL_FOLDER, "B/to", "A", "B");
    next_world();
    attributes_stay("C", FULL_FOLDER, "D", "./", "./");
    next_world();
    the_working_folder_moves_along();
}

/* The caller has made products/p/w/hero-card with the files from and to, and mounted it again, read only. */
void cases_read_only(void)
{
    static const char *const rows[][2] = {{"./p/w/hero-card/from", "./p/w/hero-card/new"},
                                          {"./p/w/hero-card/from", "./p/w/hero-card/to"},
                                          {"./p/w/hero-card/from", "./p/w/hero-card/from~"},
                                          {"./p/w/hero-card", "./p/w/info-card"},
                                          {"./p/w", "./p/v"},
                                          {"./p", "./q"}};
    for (size_t i = 0; i < SIZE(rows); i++) {
        check_errno(try_rename(at(rows[i][0]), at(rows[i][1]), 0), EROFS, rows[i][0]);
        check(there(at(rows[i][0]), NULL), "%s stays", rows[i][0]);
        check_errno(try_rename(at(rows[i][0]), at("!/new"), 0), EXDEV, "to outside");
    }
}
