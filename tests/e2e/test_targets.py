# SPDX-License-Identifier: MIT
"""Request targets: forms, escapes, dot segments."""
import content
from case import equal, one_of, table, test, true
from server import Server, Tree, shared
from test_parsing import judge, req
from wire import Client, fetch

DEEP = b"deep\n"


@table([(target, target, body) for target, body in (
    ("/hello.txt", content.TEXT), ("/hello%2Etxt", content.TEXT), ("/%68%65%6c%6C%6f.txt", content.TEXT), ("/hello.txt?", content.TEXT),
    ("/hello.txt?a=b", content.TEXT), ("/hello.txt?/../x", content.TEXT), ("/hello.txt?%2e%2e%zz", None), ("/./hello.txt", content.TEXT),
    ("/dir/../hello.txt", content.TEXT), ("/dir/./sub/./deep.txt", DEEP), ("/dir/sub/../sub/deep.txt", DEEP),
    ("/dir/sub/../../hello.txt", content.TEXT), ("/nothing/../hello.txt", content.TEXT), ("/a/b/c/../../../hello.txt", content.TEXT),
    ("/../hello.txt", content.TEXT), ("/../../../../../hello.txt", content.TEXT), ("/%2e%2e/hello.txt", content.TEXT),
    ("/%2E%2E/%2e/hello.txt", content.TEXT), ("/.%2e/hello.txt", content.TEXT), ("/%2e./hello.txt", content.TEXT),
    ("/dir/%2e%2e/hello.txt", content.TEXT), ("/./././hello.txt", content.TEXT), ("/.", content.PAGE), ("/..", content.PAGE), ("/dir/..", content.PAGE),
    ("/dir/../", content.PAGE), ("/dir/.", content.PAGE + b"dir"), ("/dir/sub/..", content.PAGE + b"dir"), ("/", content.PAGE), ("/?x", content.PAGE),
    ("/dir/", content.PAGE + b"dir"), ("/a%20b.txt", b"space\n"), ("/100%25.txt", b"percent\n"), ("/q%3F.txt", b"question\n"),
    ("/h%23.txt", b"hash\n"), ("/semi;colon.txt", b"semicolon\n"), ("/semi%3bcolon.txt", b"semicolon\n"), ("/plus+.txt", b"plus\n"),
    ("/plus%2B.txt", b"plus\n"), ("/tilde~.txt", b"tilde\n"), ("/tilde%7E.txt", b"tilde\n"), ("/caf%C3%A9.txt", b"accent\n"),
    ("/caf%c3%a9.txt", b"accent\n"), ("/a:b.txt", b"colon\n"), ("/a%3Ab.txt", b"colon\n"), ("/back%5Cslash.txt", b"backslash\n"),
    ("/a..b.txt", b"dots\n"), ("/Case.txt", b"upper\n"), ("http://a/hello.txt", content.TEXT), ("HTTP://A/hello.txt", content.TEXT),
    ("hTTp://other.example:8080/hello.txt?x", content.TEXT), ("http://a", content.PAGE), ("http://a/", content.PAGE), ("http://a?x=y", content.PAGE),
    ("http://[::1]:80/hello.txt", content.TEXT), ("http://a:/hello.txt", content.TEXT), ("http://a/../hello.txt", content.TEXT),
    ("http://a/%2e%2e/hello.txt", content.TEXT), ("/hello.txt?http://b/", content.TEXT), ("/empty.txt", b"")) if body is not None])
def a_target_finds_its_file(target, body):
    r = fetch(shared(content.common).address, target)
    equal(r.status, 200, target)
    equal(r.body, body, target)


@table([(target, target) for target in (
    "/nothing", "/hello.txt/", "/hello.txt/x", "/hello.txt/.", "/hello", "/HELLO.TXT", "/case.txt", "/dir%2Ffile.txt", "/dir%2ffile.txt", "/dir%2F", "/%2F", "/%2f%2f",
    "/hello.txt%2F", "/..%2Fhello.txt", "/dir/..%2fhello.txt", "/%252e%252e/hello.txt", "/hello%252etxt", "/100%2525.txt", "/a+b.txt", "/dir%5Cfile.txt",
    "/..%5Chello.txt", "/hello.txt%20", "/%20hello.txt", "/hello.txt%0a", "/hello.txt%0d%0aX:%20y", "/hello.txt%7f", "/hello.txt%ff",
    "/hello.txt;x", "/hello.txt,", "/hello.txt:80", "/hello.txt%3Fx", "/hello.txt%23x", "/...", "/..../hello.txt", "/.%2e%2e/hello.txt", "/plain", "/plain/",
    "/dir/sub", "/dir/sub/", "/%c0%ae%c0%ae/hello.txt", "/%e0%80%ae/hello.txt", "/caf%E9.txt", "/%ef%bb%bfhello.txt", "/.hidden", "/etc/passwd",
    "/../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/dir/../../etc/passwd", "/proc/self/environ")])
def a_target_without_file_is_not_found(target):
    equal(fetch(shared(content.common).address, target).status, 404, target)


@table([(target, target, statuses) for target, statuses in (
    ("/%00", {400, 404}), ("/hello.txt%00", {400, 404}), ("/hello.txt%00.html", {400, 404}), ("/%00/../hello.txt", {400, 404, 200}),
    ("http://", {400}), ("http:///hello.txt", {400}), ("http://:80/hello.txt", {400}), ("http:/hello.txt", {400}), ("http:hello.txt", {400}),
    ("http//a/hello.txt", {400}), ("://a/hello.txt", {400}), ("http://a:x/hello.txt", {400}), ("http://a:80:80/hello.txt", {400}),
    ("http://[::1/hello.txt", {400}), ("http://[x]/hello.txt", {400}), ("http://a#x", {400}), ("http://a/hello.txt#x", {400}), ("http://a%/hello.txt", {400}),
    ("http://a/%zz", {400}), ("http://?x", {400}), ("http://#", {400}), ("http://a\\b/hello.txt", {400}), ("http://a\"b/hello.txt", {400}),
    ("https://a/hello.txt", {200, 400, 404, 421}), ("ftp://a/hello.txt", {400, 404, 421, 501}), ("1http://a/hello.txt", {400}), ("mailto:a@b", {400}),
    ("http://u@a/hello.txt", {200, 400}), ("http://u:p@a/hello.txt", {200, 400}), ("http://@/hello.txt", {400}), ("http://u@/hello.txt", {400}))])
def a_strange_target_is_refused(target, statuses):
    judge(req("GET %s HTTP/1.1" % target), statuses, "close" if statuses == {400} else "any")


@table([(target, target) for target in ("//", "//hello.txt", "///hello.txt", "//dir", "//dir/file.txt", "/dir//file.txt", "//evil.example/..", "//evil.example/%2e%2e",
                                        "//evil.example/dir/..", "/dir/..//evil.example", "/.//evil.example", "/%2e//dir", "/dir/sub/../..//dir", "/\\evil.example",
                                        "/%5cevil.example", "/%09/evil.example", "//dir?x=//evil.example", "/dir//", "//dir//sub//..", "/dir?//x", "/dir?a:b")])
def no_target_is_redirected_to_another_host(target):
    """The client checks that no Location begins with two slashes or a scheme."""
    with Client(shared(content.common).address) as client:
        for line in ("GET", "HEAD"):
            client.send(("%s %s HTTP/1.1\r\nHost: a\r\n\r\n" % (line, target)).encode())
            r = client.read(line)
            one_of(r.status, {200, 301, 302, 307, 308, 400, 404}, "status")
            if r.closes:
                return client.expect_end()


@test
def the_absolute_form_wins_over_host():
    judge(b"GET http://a/hello.txt HTTP/1.1\r\nHost: other.example\r\n\r\n", {200}, "keep")


@test
def options_asterisk_is_not_a_file():
    r = fetch(shared(content.common).address, "*", method="OPTIONS")
    one_of(r.status, {200, 204}, "status")
    true(r.has("allow"), "Allow on OPTIONS *")


@test
def every_octet_but_controls_can_be_escaped():
    names = {octet: b"f%02x" % octet for octet in range(32, 256) if octet not in b"/\x7f"}
    tree = Tree()
    for octet, body in names.items():
        with open(tree.root.encode() + b"/x" + bytes([octet]), "wb") as file:
            file.write(body)
    with Server(roots=[tree]) as run, Client(run.address) as client:
        for octet, body in names.items():
            r = client.get("/x%%%02X" % octet)
            equal((r.status, r.body), (200, body), "octet %#x" % octet)
