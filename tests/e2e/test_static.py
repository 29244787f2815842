# SPDX-License-Identifier: MIT
"""The rules of the index: what is served, under which name, with which fields."""
import os
import socket
import urllib.parse

import content
from case import equal, one_of, table, test, true
from server import Server, Tree, shared
from wire import Client, fetch

REDIRECTS = {301, 302, 307, 308}


def follow(address, target, status=302):
    """The redirect's target, made absolute as a client does."""
    r = fetch(address, target)
    equal(r.status, status, target)
    return urllib.parse.urljoin("http://h" + target, r.get("location")).removeprefix("http://h")


@table([(target, target, to) for target, to in (("/dir", "/dir/"), ("/dir/index.html", "/dir/"), ("/index.html", "/"), ("/dir?a=b&c", "/dir/?a=b&c"),
                                                ("/dir/index.html?a=/../b", "/dir/?a=/../b"), ("/index.html?x", "/?x"), ("/dir/../dir", "/dir/"), ("/d%69r", "/dir/"))])
def index_files_redirect(target, to):
    equal(follow(shared(content.common).address, target), to)


@test
def redirects_of_strange_names_arrive():
    names = ["a:b", "sp ace", "caf\u00e9", "q?m", "h#h", "pct%41", "back\\slash", "semi;", "plus+", "amp&", "http:", "javascript:alert(1)", "q\"uote", "<b>"]
    tree = Tree({name + "/index.html": name.encode() for name in names})
    for name in names:
        tree.write(name + "/" + name + "/index.html", b"deep")
    with Server(roots=[tree]) as server:
        for name in names:
            quoted = "/" + urllib.parse.quote(name, safe="")
            to = follow(server.address, quoted)
            equal(fetch(server.address, to).body, name.encode(), to)
            equal(urllib.parse.unquote(to), "/" + name + "/", quoted)
            equal(fetch(server.address, follow(server.address, quoted + quoted)).body, b"deep")


@test
def another_index_name_can_be_given():
    tree = Tree({"default.htm": b"one", "index.html": b"two", "dir/default.htm": b"three"})
    with Server("--index-file", "default.htm", roots=[tree]) as server:
        equal(fetch(server.address, "/").body, b"one")
        equal(fetch(server.address, "/index.html").body, b"two")
        equal(follow(server.address, "/dir/default.htm"), "/dir/")
    with Server("--index-file", "none", roots=[tree]) as server:
        equal(fetch(server.address, "/").status, 404)
        equal(fetch(server.address, "/dir/").status, 404)
        equal(fetch(server.address, "/index.html").body, b"two")


@test
def dot_names_stay_hidden_but_for_well_known():
    tree = Tree({".secret": b"s", ".git/config": b"s", "dir/.hidden/file": b"s", "dir/.env": b"s", ".well-known/security.txt": b"contact", "a.txt": b"a"})
    with Server(roots=[tree]) as server:
        for target in ("/.secret", "/.git/config", "/.git/", "/dir/.hidden/file", "/dir/.env", "/%2esecret", "/%2Egit/config", "/dir/../.secret"):
            equal(fetch(server.address, target).status, 404, target)
        equal(fetch(server.address, "/.well-known/security.txt").body, b"contact")
        equal(server.files, 2, "files in the start line")
    with Server("--dotfiles", roots=[tree]) as server:
        equal(fetch(server.address, "/.git/config").body, b"s")
        equal(fetch(server.address, "/.secret").body, b"s")


def linked_tree():
    outside = Tree({"secret.txt": b"outside", "folder/f.txt": b"outside folder"})
    tree = Tree({"real.txt": b"real", "dir/file.txt": b"file"})
    tree.link("link.txt", "real.txt")
    tree.link("dir/up.txt", "../real.txt")
    tree.link("twin", "dir")
    tree.link("out.txt", outside.path("secret.txt"))
    tree.link("out", outside.path("folder"))
    tree.link("sneaky.txt", "../" * 20 + outside.path("secret.txt").lstrip("/"))
    tree.link("passwd", "/etc/passwd")
    return tree


@test
def links_inside_the_root_work_and_others_do_not():
    with Server(roots=[linked_tree()]) as server:
        equal(fetch(server.address, "/link.txt").body, b"real")
        equal(fetch(server.address, "/dir/up.txt").body, b"real")
        equal(fetch(server.address, "/twin/file.txt").body, b"file")
        for target in ("/out.txt", "/out/f.txt", "/sneaky.txt", "/passwd", "/out/", "/out"):
            equal(fetch(server.address, target).status, 404, target)
        equal(server.faults, 4)
        for name in ("out.txt", "sneaky.txt", "passwd"):
            true(any(name in line for line in server.lines), "the log names " + name)


@test
def follow_symlinks_lets_links_leave():
    with Server("--follow-symlinks", roots=[linked_tree()]) as server:
        equal(fetch(server.address, "/out.txt").body, b"outside")
        equal(fetch(server.address, "/out/f.txt").body, b"outside folder")
        equal(fetch(server.address, "/link.txt").body, b"real")


def bad_tree():
    tree = Tree({"good.txt": b"good", "sub/good.txt": b"good"})
    tree.link("dangling", "nowhere")
    tree.link("one", "two")
    tree.link("two", "one")
    tree.link("self", "self")
    tree.link("loop/again", "../loop")
    tree.link("sub/parent", "..")
    os.mkfifo(tree.path("fifo"))
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(tree.path("socket"))
    bound.close()
    os.mkdir(tree.path("locked"))
    tree.write("locked/x.txt", b"x")
    os.chmod(tree.path("locked"), 0)
    tree.write("unreadable.txt", b"x")
    os.chmod(tree.path("unreadable.txt"), 0)
    return tree


@table([("by default", ()), ("following links", ("--follow-symlinks",))])
def bad_entries_are_skipped_and_named(options):
    as_root = os.geteuid() == 0
    wrap = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if as_root else []
    with Server(*options, roots=[bad_tree()], wrap=wrap) as server, Client(server.address) as client:
        equal(client.get("/good.txt").body, b"good")
        equal(client.get("/sub/good.txt").body, b"good")
        for name in ("dangling", "one", "two", "self", "fifo", "socket", "locked", "unreadable.txt"):
            for target in ("/" + name, "/" + name + "/x.txt"):
                equal(client.get(target).status, 404, target)
            true(any(name in line for line in server.lines), "the log names " + name)
        true(server.faults >= 8, "%d faults" % server.faults)
        equal(client.get("/loop/again/again/again/x").status, 404)


@test
def a_file_that_becomes_a_fifo_does_not_stop_the_server():
    tree = Tree({"a.txt": b"a" * 100, "big.bin": b"b" * 3_000_000, "b.txt": b"b"})
    opened_for_each = ("--memory-limit", "0", "--memory-file-limit", "8M")
    with Server("--no-watch", *opened_for_each, roots=[tree]) as server, Client(server.address, timeout=5) as client:
        for name in ("a.txt", "big.bin"):
            tree.remove(name)
            os.mkfifo(tree.path(name))
        one_of(client.get("/a.txt").status, {404, 500, 503}, "a small file is opened again")
        with Client(server.address, timeout=5) as other:
            other.send(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n")
            one_of(other.read().status, {404, 500, 503}, "a large file is opened again")
        equal(client.get("/b.txt").body, b"b")
        server.expected_errors = "big.bin|a.txt"


@test
def a_large_file_that_is_gone_is_sent_until_the_next_build():
    tree = Tree({"big.bin": b"b" * 3_000_000})
    with Server("--no-watch", roots=[tree]) as server, Client(server.address) as client:
        tree.remove("big.bin")
        equal(client.get("/big.bin").body, b"b" * 3_000_000)
        server.reload()
        equal(client.get("/big.bin").status, 404)


TYPES = {
    "a.html": "text/html; charset=utf-8", "a.htm": "text/html; charset=utf-8", "a.css": "text/css; charset=utf-8", "a.js": "text/javascript; charset=utf-8",
    "a.mjs": "text/javascript; charset=utf-8", "a.cjs": {"text/javascript; charset=utf-8", "application/node"}, "a.txt": "text/plain; charset=utf-8", "a.md": "text/markdown; charset=utf-8",
    "a.csv": "text/csv; charset=utf-8", "a.xml": {"text/xml; charset=utf-8", "application/xml"}, "a.json": "application/json", "a.map": "application/json", "a.svg": "image/svg+xml",
    "a.png": "image/png", "A.PNG": "image/png", "a.JpG": "image/jpeg", "a.jpeg": "image/jpeg", "a.gif": "image/gif", "a.webp": "image/webp", "a.avif": "image/avif",
    "a.ico": {"image/x-icon", "image/vnd.microsoft.icon"}, "a.woff": {"font/woff", "application/font-woff"}, "a.woff2": "font/woff2", "a.ttf": "font/ttf", "a.otf": "font/otf", "a.ttc": "font/collection",
    "a.wasm": "application/wasm", "a.pdf": "application/pdf", "a.zip": "application/zip", "a.tar": "application/x-tar", "a.mp3": "audio/mpeg", "a.mp4": "video/mp4",
    "a.webm": "video/webm", "a.wav": {"audio/wav", "audio/x-wav"}, "a.flac": {"audio/flac", "audio/x-flac"}, "a.opus": {"audio/ogg", "audio/opus"}, "a.aac": {"audio/aac", "audio/x-aac"},
    "a.ogv": "video/ogg", "a.mkv": {"video/x-matroska", "video/matroska"}, "a.mpd": "application/dash+xml", "a.m4s": {"video/iso.segment", "video/mp4"}, "a.jxl": "image/jxl", "a.heic": "image/heic",
    "a.apng": {"image/apng", "image/vnd.mozilla.apng"}, "a.jsonld": "application/ld+json", "a.geojson": "application/geo+json", "a.glb": "model/gltf-binary", "a.gltf": "model/gltf+json",
    "a.wgsl": "text/wgsl; charset=utf-8", "a.webmanifest": "application/manifest+json", "a.yaml": {"application/yaml", "text/yaml; charset=utf-8", "application/x-yaml"},
    "a.toml": {"application/toml", "text/toml; charset=utf-8", "text/plain; charset=utf-8"}, "a.zst": "application/zstd", "a.unknown": "application/octet-stream", "noextension": "application/octet-stream",
    "apple-app-site-association": "application/json", "crossdomain.xml": "text/x-cross-domain-policy; charset=utf-8", "CrossDomain.XML": "text/x-cross-domain-policy; charset=utf-8",
    "a.tar.xyz": "application/octet-stream", "a.png.txt": "text/plain; charset=utf-8", "a.": "application/octet-stream", "png": "application/octet-stream", "a.foo": {"text/x-foo", "text/x-foo; charset=utf-8"},
    "b.bar": "application/x-bar"}


def typed():
    return Server("--type", ".foo=text/x-foo", "--type", ".bar=application/x-bar", roots=[Tree({name: b"x" for name in TYPES})])


@table([(name, name, kind) for name, kind in TYPES.items()])
def the_media_type_follows_the_name(name, kind):
    got = fetch(shared(typed).address, "/" + name).get("content-type")
    one_of(got, kind if isinstance(kind, set) else {kind}, name)


IMMUTABLE = ["app.5af1c2d3e4f5.js", "css/base.27e20196a850.css", "app.5af1c2d3.js", "chunk.9f8e7d6c5b4a39281706.css", "app-BqX2f_9a.js", "index-D4kT9zQ1.css", "img/logo-C8vW1nRz.svg",
             "main.0a1b2c3d.chunk.js"]
MUTABLE = ["app.js", "jquery.min.js", "app-production.js", "index-template.html", "bootstrap-datepicker.js", "jquery-ui-1.12.1.min.js", "react-17.0.2.js", "file-download.js", "lib.umd.production.js",
           "style-overview.css", "about-ourselves.html", "photo-original.jpg", "page-contents.html", "main.bundle.js", "vendor.polyfill.js", "a.minified.js", "feature-standard.css", "hello.txt"]


def hashed():
    return Server(roots=[Tree({name: b"x" for name in IMMUTABLE + MUTABLE})])


@table([(name, name, "max-age=315360000, public, immutable") for name in IMMUTABLE] + [(name, name, "max-age=60, public") for name in MUTABLE])
def fingerprinted_names_are_immutable_and_words_are_not(name, expected):
    equal(fetch(shared(hashed).address, "/" + name).get("cache-control"), expected, name)


@test
def immutable_and_max_age_can_be_set():
    tree = Tree({"v/1/app.js": b"x", "app.5af1c2d3e4f5.js": b"x", "a.txt": b"x"})
    with Server("--immutable", "^/v/[0-9]+/", "--max-age", "5", roots=[tree]) as server:
        equal(fetch(server.address, "/v/1/app.js").get("cache-control"), "max-age=315360000, public, immutable")
        equal(fetch(server.address, "/a.txt").get("cache-control"), "max-age=5, public")
    with Server("--max-age", "none", roots=[tree]) as server:
        equal(fetch(server.address, "/a.txt").get("cache-control"), None)
        equal(fetch(server.address, "/app.5af1c2d3e4f5.js").get("cache-control"), "max-age=315360000, public, immutable")


@test
def a_404_under_an_immutable_name_is_not_stored():
    address = shared(hashed).address
    r = fetch(address, "/gone.5af1c2d3e4f5.js")
    equal((r.status, "no-store" in r.listed("cache-control")), (404, True))
    true("immutable" not in fetch(address, "/gone.txt").listed("cache-control"), "an ordinary 404")


@test
def the_usual_fields_stand_on_every_good_answer():
    r = fetch(shared(content.common).address, "/hello.txt")
    equal(r.get("access-control-allow-origin"), "*")
    equal(r.get("accept-ranges"), "bytes")
    equal(r.get("server"), "scrubjay")
    true(r.has("last-modified") and r.has("etag"), "validators")
    with Server("--no-cors", roots=[Tree({"a.txt": b"x"})]) as server:
        equal(fetch(server.address, "/a.txt").get("access-control-allow-origin"), None)


@test
def error_bodies_follow_accept():
    address = shared(content.common).address
    for accept, kind in (("text/html", "text/html"), ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "text/html"), ("application/json", "text/plain"), ("text/html;q=0", "text/plain"), ("image/png", "text/plain")):
        r = fetch(address, "/nothing", {"Accept": accept})
        equal((r.status, r.get("content-type").split(";")[0]), (404, kind), accept)
        true(len(r.body) > 0, "a body")
    equal(fetch(address, "/nothing").get("content-type").split(";")[0], "text/plain", "without Accept")


@test
def a_404_page_replaces_the_body():
    tree = Tree({"404.html": content.MISSING, "a.txt": b"x", "dir/404.html": b"inner"})
    with Server(roots=[tree]) as server:
        for target in ("/nothing", "/dir/nothing", "/nothing.js", "/a.txt/x"):
            r = fetch(server.address, target, {"Range": "bytes=0-1", "If-None-Match": "*"})
            equal((r.status, r.body, r.get("content-type")), (404, content.MISSING, "text/html; charset=utf-8"), target)
            equal(fetch(server.address, target, method="HEAD").get("content-length"), str(len(content.MISSING)))


@test
def spa_answers_pages_but_not_assets():
    tree = Tree({"index.html": content.PAGE, "app.js": b"x", "dir/a.txt": b"x"})
    with Server("--spa", "index.html", roots=[tree]) as server:
        for target in ("/users/5", "/nothing", "/deep/er/path", "/users/5?x=y.js", "/dir/unknown"):
            r = fetch(server.address, target, {"Accept": "text/html,*/*;q=0.8"})
            equal((r.status, r.body, "no-cache" in r.listed("cache-control")), (200, content.PAGE, True), target)
            equal(fetch(server.address, target, {"Accept": "text/html"}, "HEAD").status, 200)
        for target in ("/missing.js", "/assets/app.5af1c2d3e4f5.js", "/img/x.png", "/missing.css?x"):
            equal(fetch(server.address, target, {"Accept": "text/html,*/*;q=0.8"}).status, 404, target)
        equal(fetch(server.address, "/users/5", {"Accept": "application/json"}).status, 404)
        equal(fetch(server.address, "/app.js", {"Accept": "text/html"}).body, b"x")
        one_of(fetch(server.address, "/users/5", {"Accept": "text/html", "Content-Length": "0"}, "POST").status, {404, 405}, "POST")


@test
def a_headers_file_adds_fields_by_path():
    tree = Tree({"a.txt": b"x", "dir/b.txt": b"x", "dir/sub/c.txt": b"x", "img/d.png": b"x"})
    rules = Tree({"rules": b"# comment\n\n/*\n  X-All: yes\n/dir/*\n  X-Dir: 1\n  X-Two: a, b\n\n/a.txt\n\tX-A: only here\n"})
    with Server("--headers", rules.path("rules"), roots=[tree]) as server:
        one, two, three, four = (fetch(server.address, target) for target in ("/a.txt", "/dir/b.txt", "/dir/sub/c.txt", "/img/d.png"))
        equal([r.get("x-all") for r in (one, two, three, four)], ["yes"] * 4)
        equal([r.get("x-dir") for r in (one, two, three, four)], [None, "1", "1", None])
        equal([r.get("x-a") for r in (one, two, three, four)], ["only here", None, None, None])
        equal(two.get("x-two"), "a, b")
        equal(fetch(server.address, "/a.txt", {"If-None-Match": "*"}).status, 304)


@test
def roots_have_prefixes_and_the_last_one_wins():
    one, two, three = Tree({"a.txt": b"one", "b.txt": b"one"}), Tree({"b.txt": b"two", "index.html": b"root"}), Tree({"a.txt": b"three"})
    with Server("--root", "/static/=" + one.root, "--root", two.root, "--root", "static=" + three.root) as server:
        for target, body in (("/static/a.txt", b"three"), ("/static/b.txt", b"one"), ("/b.txt", b"two"), ("/", b"root")):
            equal(fetch(server.address, target).body, body, target)
        for target in ("/a.txt", "/static/", "/staticb.txt", "/static", "/static/../a.txt"):
            equal(fetch(server.address, target).status, 404, target)
        equal(fetch(server.address, "/static/../b.txt").body, b"two")
    with Server("--root", "=" + one.root, "--root", "/=" + two.root) as server:
        equal((fetch(server.address, "/a.txt").body, fetch(server.address, "/b.txt").body), (b"one", b"two"))


@test
def an_empty_root_is_served():
    with Server(roots=[Tree()]) as server:
        equal(server.files, 0)
        equal(fetch(server.address, "/").status, 404)


@test
def many_and_deep_names_are_found():
    deep = "/".join("d%d" % i for i in range(60))
    tree = Tree({deep + "/x.txt": b"deep", "n" * 255: b"long"})
    for i in range(3000):
        with open(tree.path("f%d.txt" % i), "wb") as file:
            file.write(b"%d" % i)
    with Server(roots=[tree]) as server, Client(server.address) as client:
        equal(server.files, 3002)
        equal(client.get("/" + deep + "/x.txt").body, b"deep")
        equal(client.get("/" + "n" * 255).body, b"long")
        for i in range(0, 3000, 7):
            equal(client.get("/f%d.txt" % i).body, b"%d" % i)


@test
def a_memory_limit_changes_no_octet():
    tree = Tree({"f%d.bin" % i: os.urandom(i * 3000) for i in range(60)})
    for options in (("--memory-limit", "100K"), ("--memory-limit", "0"), ("--memory-file-limit", "1K"), ("--memory-file-limit", "0")):
        with Server(*options, roots=[tree]) as server, Client(server.address) as client:
            for i in range(60):
                with open(tree.path("f%d.bin" % i), "rb") as file:
                    true(client.get("/f%d.bin" % i).body == file.read(), "f%d.bin with %r" % (i, options))


@test
def many_bad_links_do_not_hinder_the_start():
    tree = Tree()
    for i in range(2000):
        tree.link("l%d" % i, "nothing%d" % i)
    tree.write("a.txt", b"x")
    with Server(roots=[tree]) as server:
        equal((server.faults, server.files), (2000, 1))
        equal(fetch(server.address, "/a.txt").body, b"x")


@test
def control_characters_in_names_are_served_or_named():
    tree = Tree({"new\nline.txt": b"x", "esc\x1b[31m.txt": b"x", "good.txt": b"x"})
    with Server(roots=[tree]) as server:
        for target in ("/new%0Aline.txt", "/esc%1B%5B31m.txt"):
            true(fetch(server.address, target).status == 200 or server.faults == 2, "served or a fault: " + target)
        true(all(line.isprintable() for line in server.lines), "no log line has control characters: %r" % server.lines)


@test
def special_names_that_are_no_files_do_no_harm():
    outside = Tree({"a.gz": content.SHEET_GZ})
    tree = Tree({"a.txt": content.SHEET, "b.txt": content.SHEET, "c.txt": content.SHEET, "good/index.html": b"good", "dir/index.html/x.txt": b"x"})
    os.mkfifo(tree.path("a.txt.gz"))
    os.mkdir(tree.path("b.txt.gz"))
    tree.link("c.txt.gz", outside.path("a.gz"))
    os.mkdir(tree.path("pipe"))
    os.mkfifo(tree.path("pipe/index.html"))
    os.mkdir(tree.path("404.html"))
    with Server(roots=[tree]) as server, Client(server.address) as client:
        for name in ("a.txt", "b.txt", "c.txt"):
            r = client.get("/" + name, {"Accept-Encoding": "gzip"})
            equal((r.status, r.get("content-encoding"), r.body == content.SHEET), (200, None, True), name)
        equal(client.get("/good/").body, b"good")
        equal(client.get("/pipe/").status, 404)
        equal(client.get("/pipe/index.html").status, 404)
        equal(client.get("/dir/index.html/x.txt").body, b"x")
        equal(client.get("/dir/").status, 404)


@test
def folders_deeper_than_any_path_do_no_harm():
    tree = Tree({"good.txt": b"good"})
    here = os.open(tree.root, os.O_RDONLY)
    try:
        for _ in range(60):
            os.mkdir("d" * 200, dir_fd=here)
            there = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = there
            os.close(os.open("f.txt", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=here))
    finally:
        os.close(here)
    with Server(roots=[tree]) as server, Client(server.address) as client:
        equal(client.get("/good.txt").body, b"good")
        equal(client.get("/" + ("d" * 200 + "/") * 5 + "f.txt").status, 200)
        equal(client.get("/" + ("d" * 200 + "/") * 30 + "f.txt").status in (200, 404), True)
        server.reload()
        equal(client.get("/good.txt").body, b"good")


@test
def a_prefix_with_an_index_file_redirects():
    with Server("--root", "p/q=" + Tree({"index.html": b"inner"}).root, "--root", Tree({"a.txt": b"a"}).root) as server:
        equal(follow(server.address, "/p/q"), "/p/q/")
        equal(fetch(server.address, "/p/q/").body, b"inner")
        equal(fetch(server.address, "/p/").status, 404)
