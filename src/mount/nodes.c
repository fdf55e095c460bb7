/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The node table. Two hashes (inode number; parent's number with the name) over the same nodes.
 *
 * Invariants: every node is in by_ino; a node is in by_name exactly while linked; a node holds a reference on its
 * parent, also when it is not linked any more (so that its path's beginning stays known).
 */
#include "mount/nodes.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

struct ls_node_key {
    size_t len;      /* of what is hashed: the number and the name without its NUL */
    uint64_t parent; /* hashed from here on */
    char name[];
};

static struct ls_node_key *key_new(uint64_t parent, const char *name)
{
    size_t n = strlen(name);
    struct ls_node_key *key = malloc(sizeof *key + n + 1);
    if (!key)
        return NULL;
    key->len = sizeof key->parent + n;
    key->parent = parent;
    memcpy(key->name, name, n + 1);
    return key;
}

/* FNV-1a, 64 bits (Fowler, Noll, Vo): where an inode number starts to look for a free place. */
static uint64_t first_number(uint64_t parent, const char *name)
{
    uint64_t h = UINT64_C(14695981039346656037) ^ parent;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        h = (h ^ *p) * UINT64_C(1099511628211);
    h ^= h >> 32;
    return h;
}

static struct ls_node *find_ino(struct ls_nodes *nodes, uint64_t ino)
{
    struct ls_node *node = NULL;
    HASH_FIND(by_ino, nodes->by_ino, &ino, sizeof ino, node);
    return node;
}

static struct ls_node *find_key(struct ls_nodes *nodes, const struct ls_node_key *key)
{
    struct ls_node *node = NULL;
    HASH_FIND(by_name, nodes->by_name, &key->parent, key->len, node);
    return node;
}

/* uthash reports a failed addition by leaving hh.tbl NULL. */
static bool link_name(struct ls_nodes *nodes, struct ls_node *node)
{
    HASH_ADD_KEYPTR(by_name, nodes->by_name, &node->key->parent, node->key->len, node);
    node->linked = node->by_name.tbl != NULL;
    return node->linked;
}

static void local_remove(struct ls_node *node)
{
    if (node->local == LS_LOCAL_NONE)
        return;
    if (node->local_prev)
        node->local_prev->local_next = node->local_next;
    else if (node->parent)
        node->parent->locals = node->local_next;
    if (node->local_next)
        node->local_next->local_prev = node->local_prev;
    node->local_next = node->local_prev = NULL;
    node->local = LS_LOCAL_NONE;
}

static void local_add(struct ls_node *node, enum ls_local local)
{
    node->local = local;
    if (local == LS_LOCAL_NONE || !node->parent)
        return;
    node->local_next = node->parent->locals;
    if (node->local_next)
        node->local_next->local_prev = node;
    node->parent->locals = node;
}

static void unlink_name(struct ls_nodes *nodes, struct ls_node *node)
{
    if (!node->linked)
        return;
    HASH_DELETE(by_name, nodes->by_name, node); /* NOLINT(clang-analyzer-core.NullDereference) */
    node->linked = false;
    local_remove(node);
}

/* Free the node and then its parents, as far as nobody needs them. */
static void collect(struct ls_nodes *nodes, struct ls_node *node)
{
    while (node && node->refs == 0 && node->lookups == 0 && node->local == LS_LOCAL_NONE && node != nodes->root) {
        struct ls_node *parent = node->parent;
        unlink_name(nodes, node);
        HASH_DELETE(by_ino, nodes->by_ino, node); /* NOLINT(clang-analyzer-core.NullDereference) */
        nodes->count--;
        if (node->file)
            nodes->free_file(node->file);
        free(node->key);
        free(node);
        if (parent)
            parent->refs--;
        node = parent;
    }
}

static struct ls_node *node_new(struct ls_nodes *nodes, struct ls_node *parent, const char *name, bool is_dir)
{
    struct ls_node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    node->key = key_new(parent ? parent->ino : 0, name);
    uint64_t ino = parent ? first_number(parent->ino, name) : 1;
    while (parent && (ino < 2 || ino == UINT32_MAX || find_ino(nodes, ino)))
        ino = ino * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    node->ino = ino;
    node->generation = ++nodes->next_generation;
    node->is_dir = is_dir;
    node->dir_depth = !is_dir ? UINT_MAX : parent ? parent->dir_depth + 1 : 0;
    if (node->key)
        HASH_ADD(by_ino, nodes->by_ino, ino, sizeof node->ino, node);
    if (!node->key || !node->by_ino.tbl || !link_name(nodes, node)) {
        if (node->by_ino.tbl)
            HASH_DELETE(by_ino, nodes->by_ino, node);
        free(node->key);
        free(node);
        return NULL;
    }
    node->parent = parent;
    if (parent)
        parent->refs++;
    nodes->count++;
    return node;
}

enum ls_rc ls_nodes_init(struct ls_nodes *nodes, void (*free_file)(struct ls_file *), struct ls_err *err)
{
    memset(nodes, 0, sizeof *nodes);
    pthread_mutex_init(&nodes->lock, NULL);
    nodes->free_file = free_file;
    nodes->root = node_new(nodes, NULL, "", true);
    return nodes->root ? LS_OK : ls_err_nomem(err);
}

void ls_nodes_dispose(struct ls_nodes *nodes)
{
    struct ls_node *node, *next;
    HASH_CLEAR(by_name, nodes->by_name);
    HASH_ITER(by_ino, nodes->by_ino, node, next)
    {
        HASH_DELETE(by_ino, nodes->by_ino, node);
        if (node->file)
            nodes->free_file(node->file);
        free(node->key);
        free(node);
    }
    pthread_mutex_destroy(&nodes->lock);
}

struct ls_node *ls_nodes_get(struct ls_nodes *nodes, uint64_t ino)
{
    LS_LOCK(&nodes->lock);
    struct ls_node *node = find_ino(nodes, ino);
    if (node)
        node->refs++;
    return node;
}

/* A key for a search on the stack: names have at most 255 bytes. */
struct search_key {
    size_t len;
    uint64_t parent;
    char name[256];
};
_Static_assert(offsetof(struct search_key, name) == offsetof(struct ls_node_key, name), "one shape of keys");

static struct ls_node *find_name(struct ls_nodes *nodes, const struct ls_node *parent, const char *name)
{
    struct search_key key;
    size_t n = strlen(name);
    if (n >= sizeof key.name)
        return NULL;
    key.len = sizeof key.parent + n;
    key.parent = parent->ino;
    memcpy(key.name, name, n + 1);
    struct ls_node *node = NULL;
    HASH_FIND(by_name, nodes->by_name, &key.parent, key.len, node);
    return node;
}

struct ls_node *ls_nodes_find(struct ls_nodes *nodes, struct ls_node *parent, const char *name)
{
    LS_LOCK(&nodes->lock);
    struct ls_node *node = find_name(nodes, parent, name);
    if (node)
        node->refs++;
    return node;
}

struct ls_node *ls_nodes_obtain(struct ls_nodes *nodes, struct ls_node *parent, const char *name, bool is_dir)
{
    LS_LOCK(&nodes->lock);
    struct ls_node *node = find_name(nodes, parent, name);
    if (node && node->is_dir != is_dir) {
        node->refs++;
        unlink_name(nodes, node);
        node->refs--;
        collect(nodes, node);
        node = NULL;
    }
    if (!node)
        node = node_new(nodes, parent, name, is_dir);
    if (node)
        node->refs++;
    return node;
}

uint64_t ls_nodes_number(struct ls_nodes *nodes, struct ls_node *parent, const char *name)
{
    LS_LOCK(&nodes->lock);
    struct ls_node *node = find_name(nodes, parent, name);
    return node ? node->ino : first_number(parent->ino, name);
}

void ls_nodes_ref(struct ls_nodes *nodes, struct ls_node *node)
{
    LS_LOCK(&nodes->lock);
    node->refs++;
}

void ls_nodes_unref(struct ls_nodes *nodes, struct ls_node *node)
{
    if (!node)
        return;
    LS_LOCK(&nodes->lock);
    node->refs--;
    collect(nodes, node);
}

void ls_nodes_looked_up(struct ls_nodes *nodes, struct ls_node *node)
{
    LS_LOCK(&nodes->lock);
    node->lookups++;
}

void ls_nodes_forget(struct ls_nodes *nodes, uint64_t ino, uint64_t n)
{
    LS_LOCK(&nodes->lock);
    struct ls_node *node = find_ino(nodes, ino);
    if (!node)
        return;
    node->lookups -= n < node->lookups ? n : node->lookups;
    collect(nodes, node);
}

void ls_nodes_detach(struct ls_nodes *nodes, struct ls_node *node)
{
    LS_LOCK(&nodes->lock);
    unlink_name(nodes, node);
    collect(nodes, node);
}

enum ls_rc ls_nodes_move(struct ls_nodes *nodes, struct ls_node *node, struct ls_node *parent, const char *name)
{
    struct ls_node_key *key = key_new(parent->ino, name);
    if (!key)
        return LS_NO_MEMORY;
    LS_LOCK(&nodes->lock);
    struct ls_node *there = find_key(nodes, key);
    if (there == node) {
        free(key);
        return LS_OK;
    }
    enum ls_local local = node->local;
    unlink_name(nodes, node);
    if (there) {
        there->refs++;
        unlink_name(nodes, there);
        there->refs--;
        collect(nodes, there);
    }
    free(node->key);
    node->key = key;
    struct ls_node *before = node->parent;
    parent->refs++;
    node->parent = parent;
    if (link_name(nodes, node))
        local_add(node, local);
    if (before) {
        before->refs--;
        collect(nodes, before);
    }
    return node->linked ? LS_OK : LS_NO_MEMORY;
}

bool ls_nodes_linked(struct ls_nodes *nodes, struct ls_node *node)
{
    LS_LOCK(&nodes->lock);
    return node->linked;
}

void ls_nodes_set_local(struct ls_nodes *nodes, struct ls_node *node, enum ls_local local)
{
    LS_LOCK(&nodes->lock);
    if (node->linked && node->local != local) {
        local_remove(node);
        local_add(node, local);
    }
}

enum ls_local ls_nodes_local(struct ls_nodes *nodes, struct ls_node *node)
{
    LS_LOCK(&nodes->lock);
    return node->local;
}

struct ls_node *ls_nodes_next_local(struct ls_nodes *nodes, struct ls_node *dir, const char *after, char name[256])
{
    LS_LOCK(&nodes->lock);
    struct ls_node *best = NULL;
    for (struct ls_node *node = dir->locals; node; node = node->local_next)
        if (strcmp(node->key->name, after) > 0 && (!best || strcmp(node->key->name, best->key->name) < 0))
            best = node;
    if (!best)
        return NULL;
    best->refs++;
    memcpy(name, best->key->name, strlen(best->key->name) + 1);
    return best;
}

void ls_nodes_touch(struct ls_nodes *nodes, struct ls_node *dir, int64_t now_ns)
{
    LS_LOCK(&nodes->lock);
    dir->touched_ns = now_ns;
}

int64_t ls_nodes_touched(struct ls_nodes *nodes, struct ls_node *dir)
{
    LS_LOCK(&nodes->lock);
    return dir->touched_ns;
}

void ls_nodes_change(struct ls_nodes *nodes, struct ls_node *dir, int64_t now_ns)
{
    LS_LOCK(&nodes->lock);
    dir->changed_ns = now_ns;
}

int64_t ls_nodes_changed(struct ls_nodes *nodes, struct ls_node *dir)
{
    LS_LOCK(&nodes->lock);
    return dir->changed_ns;
}

/* Put a name in front of what stands at out + *at. */
static bool put_front(char out[LS_PATH_MAX], size_t *at, const char *name)
{
    size_t n = strlen(name);
    bool slash = out[*at] != '\0';
    if (n + slash > *at)
        return false;
    if (slash)
        out[--*at] = '/';
    *at -= n;
    memcpy(out + *at, name, n);
    return true;
}

/* Build from the right; `tail` (may be NULL) is one more name below node. */
static bool build_path(const struct ls_nodes *nodes, const struct ls_node *node, const char *tail,
                       char out[LS_PATH_MAX])
{
    size_t at = LS_PATH_MAX - 1;
    out[at] = '\0';
    if (tail && !put_front(out, &at, tail))
        return false;
    for (; node != nodes->root; node = node->parent)
        if (!node->linked || !node->parent || !put_front(out, &at, node->key->name))
            return false;
    memmove(out, out + at, LS_PATH_MAX - at);
    return true;
}

bool ls_nodes_path(struct ls_nodes *nodes, struct ls_node *node, char out[LS_PATH_MAX])
{
    LS_LOCK(&nodes->lock);
    return build_path(nodes, node, NULL, out);
}

bool ls_nodes_child_path(struct ls_nodes *nodes, struct ls_node *dir, const char *name, char out[LS_PATH_MAX])
{
    LS_LOCK(&nodes->lock);
    return build_path(nodes, dir, name, out);
}

struct ls_node *ls_nodes_parent(struct ls_nodes *nodes, struct ls_node *node, char name[256])
{
    LS_LOCK(&nodes->lock);
    memcpy(name, node->key->name, strlen(node->key->name) + 1);
    if (node->parent)
        node->parent->refs++;
    return node->parent;
}

unsigned ls_nodes_chain(struct ls_nodes *nodes, struct ls_node *dir, struct ls_node **out, unsigned max)
{
    LS_LOCK(&nodes->lock);
    unsigned n = 0;
    for (struct ls_node *node = dir; node && node != nodes->root && n < max; node = node->parent) {
        node->refs++;
        out[n++] = node;
    }
    for (unsigned i = 0; i < n / 2; i++) {
        struct ls_node *other = out[i];
        out[i] = out[n - 1 - i];
        out[n - 1 - i] = other;
    }
    return n;
}

enum ls_rc ls_nodes_each_file(struct ls_nodes *nodes, void (*fn)(void *ctx, struct ls_node *node), void *ctx)
{
    pthread_mutex_lock(&nodes->lock);
    struct ls_node **list = calloc(nodes->count + 1, sizeof(struct ls_node *)); /* NOLINT(bugprone-sizeof-expression) */
    size_t n = 0;
    if (list) {
        struct ls_node *node, *next;
        HASH_ITER(by_ino, nodes->by_ino, node, next)
        {
            if (node->linked && node->file) {
                node->refs++;
                list[n++] = node;
            }
        }
    }
    pthread_mutex_unlock(&nodes->lock);
    if (!list)
        return LS_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        fn(ctx, list[i]);
        ls_nodes_unref(nodes, list[i]);
    }
    free(list);
    return LS_OK;
}

/* ---- for the follower ---- */

void ls_nodes_trail(struct ls_nodes *nodes, const char *path, struct ls_trail *out)
{
    LS_LOCK(&nodes->lock);
    struct ls_node *node = nodes->root;
    *out = (struct ls_trail){.steps = {node->ino}};
    while (*path && out->wanted < LS_TRAIL_MAX) {
        char name[256];
        size_t n = strcspn(path, "/");
        if (node && n < sizeof name) {
            memcpy(name, path, n);
            name[n] = '\0';
            node = find_name(nodes, node, name);
        } else {
            node = NULL;
        }
        out->wanted++;
        if (node)
            out->steps[++out->found] = node->ino;
        path += n + (path[n] == '/');
    }
}

bool ls_nodes_has_file(struct ls_nodes *nodes, struct ls_node *node)
{
    LS_LOCK(&nodes->lock);
    return node->linked && node->file;
}

enum ls_rc ls_nodes_numbers(struct ls_nodes *nodes, uint64_t **out, size_t *out_n)
{
    LS_LOCK(&nodes->lock);
    struct ls_node *node, *next;
    *out_n = 0;
    *out = calloc(nodes->count + 1, sizeof **out);
    if (!*out)
        return LS_NO_MEMORY;
    HASH_ITER(by_ino, nodes->by_ino, node, next)
    (*out)[(*out_n)++] = node->ino;
    return LS_OK;
}
