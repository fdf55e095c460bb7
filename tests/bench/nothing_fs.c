/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A file system over a folder that asks nobody: what a FUSE file system that sees opens can reach at best.
 *
 *     nothing_fs FOLDER MOUNTPOINT
 *
 * Read-only. The tree is walked once at the start; all that the kernel may keep it may keep for ever.
 */
#define FUSE_USE_VERSION 314

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODES_MAX 65536
#define FOREVER 86400.0

static struct node {
    char *path, *name;
    size_t parent;
    struct stat st;
} nodes[NODES_MAX]; /* by inode number; 1 is the root */
static size_t n_nodes = 1;
static size_t at_level[64]; /* the folder of each level that is walked now */

static int add_node(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)type;
    if (n_nodes == NODES_MAX || ftw->level >= 63)
        return -1;
    struct node *node = &nodes[n_nodes];
    node->path = strdup(path);
    node->name = node->path ? node->path + ftw->base : NULL;
    node->parent = ftw->level > 0 ? at_level[ftw->level - 1] : 0;
    node->st = *st;
    node->st.st_ino = n_nodes;
    at_level[ftw->level] = n_nodes++;
    return node->path ? 0 : -1;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    (void)userdata;
    conn->time_gran = 1;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    for (size_t i = 1; i < n_nodes; i++)
        if (nodes[i].parent == parent && strcmp(nodes[i].name, name) == 0) {
            struct fuse_entry_param entry = {
                .ino = i, .attr = nodes[i].st, .attr_timeout = FOREVER, .entry_timeout = FOREVER};
            fuse_reply_entry(req, &entry);
            return;
        }
    fuse_reply_err(req, ENOENT);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    fuse_reply_attr(req, &nodes[ino].st, FOREVER);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    fi->keep_cache = 1;
    fi->noflush = 1;
    fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)fi;
    char *data = malloc(size);
    int fd = open(nodes[ino].path, O_RDONLY | O_CLOEXEC);
    ssize_t n = data && fd >= 0 ? pread(fd, data, size, off) : -1;
    if (n < 0)
        fuse_reply_err(req, EIO);
    else
        fuse_reply_buf(req, data, (size_t)n);
    if (fd >= 0)
        close(fd);
    free(data);
}

static const struct fuse_lowlevel_ops ops = {
    .init = op_init, .lookup = op_lookup, .getattr = op_getattr, .open = op_open, .read = op_read};

int main(int argc, char **argv)
{
    if (argc != 3 || nftw(argv[1], add_node, 16, FTW_PHYS) != 0) {
        fprintf(stderr, "usage: nothing_fs FOLDER MOUNTPOINT (a folder of at most %d entries)\n", NODES_MAX - 1);
        return 64;
    }
    char options[] = "-oro,default_permissions";
    char *words[] = {argv[0], options, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(2, words);
    struct fuse_session *session = fuse_session_new(&args, &ops, sizeof ops, NULL);
    if (!session || fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, argv[2]) != 0)
        return 1;
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    int rc = config ? fuse_session_loop_mt(session, config) : -1;
    fuse_session_unmount(session);
    return rc != 0;
}
