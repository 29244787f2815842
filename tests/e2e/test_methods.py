# SPDX-License-Identifier: MIT
"""Methods: what each resource takes, and how the others are refused."""
import content
from case import equal, one_of, table, test, true
from server import shared
from wire import Client, fetch

ALLOWED = {"get", "head", "options"}


@table([(target, target) for target in ("/hello.txt", "/all.css", "/large.bin", "/dir/", "/", "/empty.txt", "/digits.txt", "/nothing", "/dir", "/dir?x")])
def head_answers_as_get_without_the_body(target):
    address = shared(content.common).address
    for fields in ({}, {"Accept-Encoding": "gzip, br, zstd"}, {"Accept": "text/html"}):
        plain, head = fetch(address, target, fields), fetch(address, target, fields, "HEAD")
        equal(head.status, plain.status)
        keep = [pair for pair in plain.fields if pair[0] != "date"]
        equal([pair for pair in head.fields if pair[0] != "date"], keep, "fields of HEAD " + target)


@table([(method, method) for method in ("POST", "PUT", "DELETE", "PATCH")])
def a_file_takes_only_get_head_and_options(method):
    for target in ("/hello.txt", "/all.css", "/large.bin", "/dir/"):
        r = fetch(shared(content.common).address, target, {"Content-Length": "0"}, method)
        equal((r.status, set(r.listed("allow"))), (405, ALLOWED), target)


@table([(target, target) for target in ("/hello.txt", "/dir/", "*")])
def options_says_what_is_allowed(target):
    r = fetch(shared(content.common).address, target, (), "OPTIONS")
    equal(r.status, 204)
    equal(set(r.listed("allow")), ALLOWED)


@test
def a_preflight_is_answered():
    fields = {"Origin": "http://other.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    r = fetch(shared(content.common).address, "/hello.txt", fields, "OPTIONS")
    equal((r.status, r.get("access-control-allow-origin")), (204, "*"))
    true("get" in r.listed("access-control-allow-methods"), "Access-Control-Allow-Methods")
    true(r.listed("access-control-allow-headers"), "Access-Control-Allow-Headers")


@table([(method, method) for method in ("TRACE", "CONNECT", "FOO", "get", "PROPFIND", "PURGE", "LINK")])
def other_methods_reflect_nothing(method):
    with Client(shared(content.common).address) as client:
        client.send(b"%s /hello.txt HTTP/1.1\r\nHost: a\r\nX-Secret: mArKeR\r\nCookie: mArKeR\r\n\r\n" % method.encode())
        r = client.read()
        one_of(r.status, {400, 405, 501}, method)
        true(b"mArKeR" not in r.body and "mArKeR" not in str(r.fields), "nothing is reflected")


@test
def head_never_sends_a_body_even_under_errors():
    with Client(shared(content.common).address) as client:
        for target, fields in (("/nothing", {}), ("/hello.txt", {"If-Match": '"x"'}), ("/hello.txt", {"Range": "bytes=0-1"}), ("/large.bin", {}), ("/%2F", {})):
            client.get(target, fields, "HEAD")
        equal(client.get("/probe.txt").body, content.PROBE)
