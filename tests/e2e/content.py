# SPDX-License-Identifier: MIT
"""The tree that most tests read, and the servers that share it."""
import base64
import gzip
import random

import server

TEXT = b"hello, world\n"
PROBE = b"this is the probe, which must come after what was tested\n"
DIGITS = b"".join(b"%09d\n" % (i * 10) for i in range(1000))
PAGE = b"<!doctype html><title>page</title>\n"
MISSING = b"<!doctype html><title>nothing here</title>\n"
LARGE = random.Random(1).randbytes(3 * 1024 * 1024 + 123)
SHEET = b".jay { color: blue; }\n" * 500
# SHEET as `brotli -q 11` and `zstd -19 --no-check` write it, so that no tool is needed here.
SHEET_GZ = gzip.compress(SHEET, 9, mtime=0)
SHEET_BR = base64.b64decode("H/cq+B2HsZulU5pWzj7yJYhLXyuEqe2pnbwUxJbTsgRNLmrZxqDmFAFgAA==")
SHEET_ZST = base64.b64decode("KLUv/QBo9QAAsC5qYXkgeyBjb2xvcjogYmx1ZTsgfQoBAL5V8rMJ")


def sidecars(tree, path, kinds=("gz", "br", "zst"), mtime=server.OLD):
    """Writes SHEET under the path, and its variants beside it."""
    tree.write(path, SHEET)
    for kind, data in (("gz", SHEET_GZ), ("br", SHEET_BR), ("zst", SHEET_ZST)):
        if kind in kinds:
            tree.write("%s.%s" % (path, kind), data, mtime)


def make_tree():
    tree = server.Tree({
        "hello.txt": TEXT, "probe.txt": PROBE, "digits.txt": DIGITS, "large.bin": LARGE, "empty.txt": b"",
        "one.txt": b"1", "index.html": PAGE, "dir/index.html": PAGE + b"dir", "dir/file.txt": b"file in dir\n",
        "dir/sub/deep.txt": b"deep\n", "plain/only.txt": b"no index here\n", "a b.txt": b"space\n",
        "100%.txt": b"percent\n", "q?.txt": b"question\n", "h#.txt": b"hash\n", "semi;colon.txt": b"semicolon\n",
        "plus+.txt": b"plus\n", "tilde~.txt": b"tilde\n", "caf\u00e9.txt": b"accent\n", "a:b.txt": b"colon\n",
        "back\\slash.txt": b"backslash\n", "Case.txt": b"upper\n", "a..b.txt": b"dots\n", "...": b"hidden\n",
    })
    sidecars(tree, "all.css")
    sidecars(tree, "gz.css", ("gz",))
    sidecars(tree, "br.css", ("br",))
    sidecars(tree, "zst.css", ("zst",))
    return tree


def common():
    """Read only; defaults but for timeouts that no test may wait for."""
    return server.Server("--header-timeout", "20s", roots=[make_tree()])
