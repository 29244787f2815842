# SPDX-License-Identifier: MIT
"""Request handlers in modules (tests/modules/tasks.c): what they are asked, what they answer."""
import os
import re
import time

from case import equal, table, test, true
from handling import TEXT, common, get, module, serve
from server import Server, Tree, run_program, shared
from wire import Client, request


@test
def a_handler_sees_the_whole_request():
    r = get("/show/a%20b/c?a+b=c%20d&x", {"X-One": "1"}, "PUT")
    lines = r.body.decode().splitlines()
    equal((r.status, lines[0]), (200, "PUT /show/a b/c rest=/a b/c query=a+b=c%20d&x body=0"))
    true("X-One: 1" in lines and "a b=c d" in lines, lines)
    equal(r.get("content-type"), "text/plain; charset=utf-8")


@test
def a_route_counts_before_the_index_and_ends_with_a_segment():
    equal(get("/show/inside.txt").body[:17], b"GET /show/inside.")
    equal(get("/a.txt").body, b"static\n")
    equal(get("/showing").status, 404)
    equal(get("/show").body[:10], b"GET /show ")


@test
def the_longest_prefix_wins():
    with serve("/show/more=tasks:spin") as server:
        equal(get("/show/more/x?n=2", server=server).body, b"xx")
        equal(get("/show/mor", server=server).body[:14], b"GET /show/mor ")


@table([(name, name) for name in ("quick", "heavy", "spin")])
def an_answer_has_its_status_and_length(name):
    r = get("/%s?n=7&status=203" % name)
    equal((r.status, r.get("content-length"), r.body), (203, "7", b"x" * 7))
    r = get("/%s?n=100000" % name)
    equal((r.status, r.body), (200, b"x" * 100000))
    equal(get("/%s?status=299" % name).status, 299)


@test
def head_has_the_fields_and_no_body():
    for target, length in (("/heavy?n=7", "7"), ("/quick?n=7", "7"), ("/file?length=5", "15")):
        r = get(target, method="HEAD")
        equal((r.status, r.get("content-length"), r.body), (200, length, b""))
    equal(get("/chunks", method="HEAD").get("transfer-encoding"), "chunked")
    for status in (204, 304):
        with Client(shared(common).address) as client:
            equal(client.get("/heavy?status=%d" % status).status, status)
            equal(client.get("/heavy?n=1").body, b"x")


@test
def a_result_is_an_error_page():
    for query, status in (("errno=5", 500), ("result=404", 404), ("result=429", 429), ("result=1", 500), ("result=418", 418)):
        r = get("/fail?" + query)
        equal((r.status, b"never" in r.body), (status, False), query)


@test
def other_versions_and_methods():
    r = get("/heavy?n=2", version="1.0")
    equal((r.status, r.body, r.closes), (200, b"xx", True))
    r = get("/chunks?n=2", version="1.0")
    equal((r.get("transfer-encoding"), r.body), (None, b"first\naaaaabbbbb"))
    equal(get("/show", method="BREW").status, 501)
    equal(get("/show", method="TRACE").status, 405)
    equal(get("/show", method="OPTIONS").body[:13], b"OPTIONS /show")


@table([("of a worker", "/chunks"), ("of a loop", "/quick-chunks")])
def chunks_come_as_they_are_made(target):
    r = get(target + "?n=3&size=20000")
    equal(r.body, b"first\n" + b"a" * 20000 + b"b" * 20000 + b"c" * 20000)
    with Client(shared(common).address) as client:
        equal(client.get(target).body, b"first\naaaaabbbbbccccc")
        equal(client.get("/a.txt").body, b"static\n")


@test
def the_first_chunk_does_not_wait_for_the_last():
    with Client(shared(common).address) as client:
        start = time.monotonic()
        client.send(request("/chunks?n=4&ms=1500"))
        while b"aaaaa" not in client.buffer:
            true(client.fill(), "the end")
        true(time.monotonic() - start < 5.9, "it took %.1f s" % (time.monotonic() - start))
        equal(client.read().body, b"first\naaaaabbbbbcccccddddd")


@test
def a_body_that_fails_is_cut_off():
    with Client(shared(common).address) as client:
        client.send(request("/chunks?fail"))
        while client.fill():
            pass
        true(client.buffer.endswith(b"ccccc\r\n"), bytes(client.buffer))


@test
def a_file_and_memory_make_one_body():
    r = get("/file?first=5&length=3000")
    equal((r.get("content-length"), r.body), ("3010", b"begin\n" + TEXT[5:3005] + b"end\n"))


@test
def an_asynchronous_handler_answers_later():
    equal(get("/later?ms=30").body, b"later\n")
    equal(get("/later?then").body, b"on a worker\n")
    equal(get("/posted").body, b"posted\n")
    equal(len(get("/flow?n=100").body), 6553600)


@test
def subtasks_are_joined():
    for target in ("/fork", "/quick-fork", "/blocking-fork"):
        equal(get(target + "?n=18").body, b"2584\n")
        equal(get(target + "?n=18&within").body, b"2584\n")


@test
def responses_are_in_order():
    with Client(shared(common).address) as client:
        client.send(request("/later?ms=200") + request("/a.txt") + request("/blocking?ms=50") + request("/heavy?n=1") + request("/chunks?n=1"))
        equal([client.read().body for _ in range(5)], [b"later\n", b"static\n", b"slept\n", b"x", b"first\naaaaa"])


@test
def a_body_is_in_memory_or_in_a_file():
    for size in (1, 5000, 300000, 5000000):
        for chunked in (False, True):
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"b" * size) if chunked else b"b" * size
            fields = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(size)}
            r = get("/large", fields, "POST", body=body)
            equal(r.body.splitlines()[0], b"POST /large rest= query=- body=%d" % size)


@test
def the_route_limits_the_body():
    equal(get("/small", {"Content-Length": "1000"}, "POST", body=b"b" * 1000).status, 200)
    equal(get("/small", {"Content-Length": "1001"}, "POST", body=b"b" * 1001).status, 413)
    equal(get("/small", {"Transfer-Encoding": "chunked"}, "POST", body=b"3e9\r\n" + b"b" * 1001 + b"\r\n0\r\n\r\n").status, 413)
    equal(get("/show", {"Content-Length": "1", "Content-Encoding": "gzip"}, "POST", body=b"b").status, 415)


@test
def a_body_is_invited_if_it_is_wanted():
    with Client(shared(common).address) as client:
        client.send(request("/show", {"Content-Length": "3", "Expect": "100-continue"}, "POST"))
        while not client.buffer:
            client.fill()
        client.send(b"abc")
        r = client.read("POST", expects_100=True)
        equal(([i.status for i in r.interim], r.status), ([100], 200))
    with Client(shared(common).address) as client:
        client.send(request("/small", {"Content-Length": "2000", "Expect": "100-continue"}, "POST"))
        equal(client.read("POST", expects_100=True).status, 413)


@table([
    ("no file", ["--module", "/nowhere.so"], 1, "--module"),
    ("no such module", ["--route", "/a=none:b"], 2, "no module is called 'none'"),
    ("no such handler", ["--route", "/a=tasks:none"], 2, "has no handler 'none'"),
    ("no prefix", ["--route", "tasks:show"], 2, "PREFIX"),
    ("the same prefix", ["--route", "/a=tasks:show", "--route", "/a/=tasks:spin"], 2, "same prefix"),
    ("no such class", ["--route", "/a=tasks:show,class=fast"], 2, "class="),
    ("a class of an asynchronous one", ["--route", "/a=tasks:later,class=quick"], 2, "asynchronous"),
    ("no such setting", ["--route", "/a=tasks:show,color=red"], 2, "color"),
    ("no number", ["--route", "/a=tasks:show,queue=many"], 2, "queue="),
])
def what_is_wrong_is_said_at_the_start(options, status, text):
    code, _, errors = run_program("serve", "--listen", "127.0.0.1:0", "--control", "none", "--cache-dir", "none", "--module", module(), *options, Tree().root)
    equal(code, status, errors)
    true(text in errors, errors)


@test
def a_module_that_does_not_start_is_a_reason():
    code, _, errors = run_program("serve", "--listen", "127.0.0.1:0", "--control", "none", "--module", module() + ",fail", Tree().root)
    equal((code, "module tasks does not start: asked to" in errors), (1, True), errors)
    code, _, errors = run_program("serve", "--listen", "127.0.0.1:0", "--control", "none", "--module", module(), "--module", module(), Tree().root)
    equal((code, "another module is called tasks" in errors), (2, True), errors)


@test
def a_module_of_another_version_is_refused():
    library = re.search(r"(/\S+/libc\S*\.so\S*)", open("/proc/self/maps").read())
    for file, text in ((module("tests/modules/old.so"), "build it again"), (library and library[1], "no symbol scrubjay_module")):
        if file:
            code, _, errors = run_program("serve", "--listen", "127.0.0.1:0", "--control", "none", "--module", file, Tree().root)
            equal((code, text in errors), (2, True), errors)


@test
def the_examples_do_as_they_say():
    with Server("--module", module("doc/examples/echo.so"), "--module", module("doc/examples/sleep.so"), "--route", "/echo=echo:echo,body=20M",
                "--route", "/sleep=sleep:sleep", roots=[Tree()]) as server:
        body = os.urandom(1500000)
        r = get("/echo", {"Content-Length": str(len(body)), "Content-Type": "text/html"}, "POST", body=body, server=server)
        equal((r.status, r.get("content-type"), r.body == body), (200, "application/octet-stream", True))
        equal(r.get("x-content-type-options"), "nosniff")
        r = get("/echo", server=server)
        equal((r.status, r.get("allow")), (405, "POST, PUT"))
        equal(get("/sleep?ms=20", server=server).body, b"good morning\n")
        equal(get("/sleep?ms=soon", server=server).status, 400)
