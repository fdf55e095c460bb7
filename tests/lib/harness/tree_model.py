# SPDX-License-Identifier: GPL-3.0-or-later
"""A small model of the tree below products/: what each operation must answer and what it makes of the tree.

Several mounts each do one operation at the same time. Whatever they answer must be explained by doing these operations
one after the other, in some order; an operation that met another may also lose: it fails with one of LOSES and has
changed nothing. So a conflict has one winner, and the other hears a clear errno. Two liberties: a file that arrives in
a type folder while that is removed keeps it, and a chmod may say ENOENT of a name that was renamed right after it.
"""

import errno
import os
from dataclasses import dataclass, field
from itertools import permutations

OTHERS_LOSE = {errno.EBUSY, errno.ESTALE}
LOSES = {
    # Who has a file open that is replaced elsewhere before its bytes are here has nothing to read any more.
    "read": OTHERS_LOSE | {errno.EIO},
    # Both hosts made the same new name: whoever closes second.
    "write": OTHERS_LOSE | {errno.EEXIST},
}


@dataclass(frozen=True)
class Op:
    name: str
    path: str
    other: str = ""  # the new name of a rename; what is written
    mode: int = 0

    def __repr__(self):
        return f"{self.name} {self.path} {short(self.other) or oct(self.mode)}"

    def paths(self):
        return [self.path, self.other] if self.name.startswith("rename") else [self.path]

    def meets(self, another: "Op") -> bool:
        """Do they concern the same names? A folder holds what is below it."""
        for mine in self.paths():
            for theirs in another.paths():
                a, b = parent(mine) + "/", parent(theirs) + "/"
                if (mine + "/").startswith(b) or (theirs + "/").startswith(a) or a == b:
                    return True
        return False


def short(text: str | None) -> str:
    """The version and the length of a text that was written."""
    return f"{text[:12].strip()} {len(text)}" if text and text.startswith("version") else text or ""


def parent(path: str) -> str:
    return path.rpartition("/")[0]


@dataclass
class Tree:
    folders: set = field(default_factory=set)
    files: dict = field(default_factory=dict)  # path -> (text, mode)

    def copy(self) -> "Tree":
        return Tree(set(self.folders), dict(self.files))

    def names(self) -> dict:
        """Each name with what there is to say of it, in short."""
        files = {path: (short(text), oct(mode)) for path, (text, mode) in self.files.items()}
        return dict.fromkeys(self.folders, "folder") | files

    def differs(self, other: "Tree") -> dict:
        """Name -> here, there."""
        here, there = self.names(), other.names()
        return {name: (here.get(name), there.get(name)) for name in here | there if here.get(name) != there.get(name)}

    def below(self, folder: str):
        return [path for path in (*self.folders, *self.files) if path.startswith(folder + "/")]

    # Each returns (errno, what was read).

    def read(self, op):
        return (0, self.files[op.path][0]) if op.path in self.files else (errno.ENOENT, None)

    def create(self, op):
        if op.path in self.files:
            return errno.EEXIST, None
        return self.write(op)

    def write(self, op):
        if parent(op.path) not in self.folders:
            return errno.ENOENT, None
        self.files[op.path] = op.other, self.files.get(op.path, ("", 0o644))[1]
        return 0, None

    def keep_type_folder(self, path, at_open: "Tree"):
        """A file that comes into a type folder which was there when the operation began brings it back."""
        folder = parent(path)
        if folder in at_open.folders and parent(folder) in self.folders:
            self.folders.add(folder)

    def unlink(self, op):
        return (0, None) if self.files.pop(op.path, None) else (errno.ENOENT, None)

    def chmod(self, op):
        if op.path not in self.files:
            return errno.ENOENT, None
        self.files[op.path] = self.files[op.path][0], op.mode
        return 0, None

    def rename_file(self, op):
        if op.path not in self.files or parent(op.other) not in self.folders:
            return errno.ENOENT, None
        self.files[op.other] = self.files.pop(op.path)
        return 0, None

    def mkdir(self, op):
        if op.path in self.folders:
            return errno.EEXIST, None
        if parent(op.path) not in self.folders:
            return errno.ENOENT, None
        self.folders.add(op.path)
        return 0, None

    def rmdir(self, op):
        if op.path not in self.folders:
            return errno.ENOENT, None
        if self.below(op.path):
            return errno.ENOTEMPTY, None
        self.folders.remove(op.path)
        return 0, None

    def rename_folder(self, op):
        if op.path not in self.folders or parent(op.other) not in self.folders:
            return errno.ENOENT, None
        if op.path == op.other:
            return 0, None
        if self.below(op.other):
            return errno.ENOTEMPTY, None
        self.folders.discard(op.other)

        def moved(path):
            return op.other + path[len(op.path) :] if path == op.path or path.startswith(op.path + "/") else path

        self.folders = {moved(path) for path in self.folders}
        self.files = {moved(path): value for path, value in self.files.items()}
        return 0, None


def perform(root, op: Op):
    """The same on a mount: (errno, what was read)."""
    path, other = f"{root}/{op.path}", f"{root}/{op.other}"
    try:
        if op.name == "read":
            fd = os.open(path, os.O_RDONLY)
            try:
                return 0, os.read(fd, 10_000).decode()
            finally:
                os.close(fd)
        if op.name in ("create", "write"):
            flags = os.O_EXCL if op.name == "create" else os.O_TRUNC
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o644)
            try:
                os.write(fd, op.other.encode())
            finally:
                os.close(fd)
        elif op.name.startswith("rename"):
            os.rename(path, other)
        elif op.name == "chmod":
            os.chmod(path, op.mode)
        else:
            {"mkdir": os.mkdir, "rmdir": os.rmdir, "unlink": os.unlink}[op.name](path)
    except OSError as error:
        return error.errno, None
    return 0, None


def outcomes(tree: Tree, op: Op, answer, met: bool, at_open: Tree) -> list[Tree]:
    """The trees that this operation may have made of `tree`, when it was answered so; met: others were at the same."""
    code, text = answer
    found = []
    if met and code in LOSES.get(op.name, OTHERS_LOSE):
        found.append(tree)
    after = tree.copy()
    if met and code == 0 and op.name in ("create", "write", "rename_file"):
        after.keep_type_folder(op.paths()[-1], at_open)
    if getattr(after, op.name)(op) == (code, text):
        found.append(tree if code else after)
    if met and op.name == "chmod" and code == errno.ENOENT and op.path in tree.files:
        after = tree.copy()
        after.chmod(op)
        found.append(after)
    return found


def explain(tree: Tree, ops, answers) -> list[Tree]:
    """The trees that these answers may have led to; none: nothing explains them."""
    met = [any(op.meets(other) for other in ops if other is not op) for op in ops]
    found = []
    for order in permutations(range(len(ops))):
        reached = [tree]
        for i in order:
            reached = [after for before in reached for after in outcomes(before, ops[i], answers[i], met[i], tree)]
        found += [after for after in reached if after not in found]
    return found


def shown(root) -> Tree:
    """What a mount shows."""
    tree = Tree()
    for top, folders, files in os.walk(root):
        where = os.path.relpath(top, root)
        prefix = "" if where == "." else where + "/"
        tree.folders |= {prefix + name for name in folders}
        for name in files:
            try:
                with open(f"{top}/{name}") as file:
                    text = file.read()
                tree.files[prefix + name] = text, os.stat(f"{top}/{name}").st_mode & 0o7777
            except OSError:
                continue  # it goes just now
    return tree


class Chooser:
    """Random operations on few names, so that they meet often."""

    PRODUCTS, WEIGHTS, TYPES, NAMES = ("p0", "p1"), ("1kg", "2kg", "5l"), ("hero-card", "info-card"), ("a", "b", "c")

    def __init__(self, random):
        self.random, self.count = random, 0

    def start(self) -> Tree:
        tree = Tree(set(self.PRODUCTS))
        for product in self.PRODUCTS:
            tree.folders |= {f"{product}/1kg", f"{product}/1kg/hero-card", f"{product}/1kg/info-card"}
        return tree

    def weight(self, tree: Tree) -> str:
        present = sorted(path for path in tree.folders if path.count("/") == 1)
        if present and self.random.random() < 0.8:
            return self.random.choice(present)
        return f"{self.random.choice(self.PRODUCTS)}/{self.random.choice(self.WEIGHTS)}"

    def folder(self, tree: Tree) -> str:
        return f"{self.weight(tree)}/{self.random.choice(self.TYPES)}"

    def file(self, tree: Tree, there: float = 0.7) -> str:
        if tree.files and self.random.random() < there:
            return self.random.choice(sorted(tree.files))
        return f"{self.folder(tree)}/{self.random.choice(self.NAMES)}.jpg"

    def text(self) -> str:
        """No two writes have the same: what is read tells which one it is of."""
        self.count += 1
        return f"version {self.count} " + "x" * self.random.randrange(2000)

    def read(self, tree: Tree) -> Op:
        return Op("read", self.file(tree, 0.9))

    def some(self, tree: Tree) -> Op:
        kinds = {"read": 3, "create": 3, "write": 4, "unlink": 2, "chmod": 1, "rename_file": 3}
        kinds |= {"mkdir": 3, "rmdir": 2, "rename_folder": 2}
        name = self.random.choices(list(kinds), list(kinds.values()))[0]
        if name in ("create", "write"):
            return Op(name, self.file(tree, 0.3 if name == "create" else 0.6), self.text())
        if name == "rename_file":
            return Op(name, self.file(tree), self.file(tree, 0.3))
        if name == "chmod":
            return Op(name, self.file(tree), mode=self.random.choice((0o600, 0o640, 0o644)))
        if name == "rename_folder":
            return Op(
                name, self.weight(tree), f"{self.random.choice(self.PRODUCTS)}/{self.random.choice(self.WEIGHTS)}"
            )
        empty = sorted(folder for folder in tree.folders if folder.count("/") and not tree.below(folder))
        if name == "rmdir" and empty and self.random.random() < 0.6:
            return Op(name, self.random.choice(empty))
        if name in ("mkdir", "rmdir"):
            return Op(name, self.weight(tree) if self.random.random() < 0.3 else self.folder(tree))
        return Op(name, self.file(tree))
