# SPDX-License-Identifier: MIT
"""The large tree: icons as Debian has them, filled up with text by a fixed rule, and changes to it."""
import os
import random
import shutil
import urllib.parse

ICONS = "/usr/share/icons"
ICON_THEMES = ("ePapirus", "ePapirus-Dark", "Papirus", "Papirus-Dark", "Papirus-Light")
KINDS = ("page-%d.html", "app-%d.%08x.js", "style-%d.%08x.css", "data-%d.json", "notes-%d.txt")
FILES_A_FOLDER = 200
SEED = 1
QUICK_FILES = 2000
TOOLS = {os.path.join(ICONS, "Papirus"): "papirus-icon-theme"}


def n_files(context):
    return min(context.settings.files, QUICK_FILES) if context.quick else context.settings.files


class Tree:
    """Names are relative to the root.  Icons are at most half of the files."""

    def __init__(self, root, n_files):
        self.root = root
        self.icons = copy_icons(root, n_files // 2)
        self.texts = write_texts(root, n_files - len(self.icons))
        self.names = self.icons + self.texts
        self.n_bytes = sum(os.path.getsize(os.path.join(root, name)) for name in self.names)
        self.version = 0

    def every(self, nth):
        """Every nth file, and the last one."""
        return self.names[:-1:nth] + self.names[-1:]

    def touch(self, names):
        """Exchanges these files by rename, each with one line more or another one; that line."""
        self.version += 1
        line = b"\n<!-- version %d -->\n" % self.version
        for name in names:
            path = os.path.join(self.root, name)
            with open(path, "rb") as file:
                data = file.read().partition(b"\n<!-- version ")[0]
            new = os.path.join(os.path.dirname(path), ".new")
            with open(new, "wb") as file:
                file.write(data + line)
            os.rename(new, path)
        return line

    def describe(self):
        return (f"{len(self.names):,} files ({len(self.icons):,} icons, {len(self.texts):,} texts), "
                f"{self.n_bytes / 1e6:,.0f} MB")


def target(name):
    return "/" + urllib.parse.quote(name)


def copy_icons(root, limit):
    names = []
    for theme in ICON_THEMES:
        for folder, folders, files in os.walk(os.path.join(ICONS, theme)):
            folders.sort()
            for file in sorted(files):
                path = os.path.join(folder, file)
                if len(names) < limit and not os.path.islink(path):
                    names.append(os.path.relpath(path, ICONS))
    for name in names:
        os.makedirs(os.path.join(root, os.path.dirname(name)), exist_ok=True)
        shutil.copyfile(os.path.join(ICONS, name), os.path.join(root, name))
    return names


def make_words(chance):
    """4 MB of words, the frequent ones frequent, so that it packs like text."""
    letters = "etaoinshrdlucmfwypvbgk"
    known = ["".join(chance.choices(letters, k=chance.randrange(2, 11))) for _ in range(4000)]
    weights = [1 / rank for rank in range(1, len(known) + 1)]
    words = chance.choices(known, weights, k=700_000)
    return "".join(word + ("\n" if i % 12 == 11 else " ") for i, word in enumerate(words)).encode()


def write_texts(root, n_files):
    """1 to 60 KB, small ones as many as large ones for each doubling."""
    chance, names = random.Random(SEED), []
    words = make_words(chance)
    for i in range(n_files):
        kind = KINDS[i % len(KINDS)]
        name = f"text/{i // FILES_A_FOLDER:04}/" + kind % ((i, chance.getrandbits(32)) if "%08x" in kind else i)
        size = int(1024 * 60 ** chance.random())
        first = chance.randrange(len(words) - size)
        path = os.path.join(root, name)
        if i % FILES_A_FOLDER == 0:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"text %d\n" % i + words[first:first + size])
        names.append(name)
    return names


def copy(tree, names, to):
    for name in names:
        path = os.path.join(to, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy2(os.path.join(tree.root, name), path)
