# SPDX-License-Identifier: MIT
"""Plans against a running server, and without one."""
import json
import os
import re
import signal
import socket
import threading
import time

from case import Skip, equal, table, test, true
from server import Server, Tree, run_program, temporary
from test_control import connect, environment, raw, read_all, status, wait_for
from wire import Client, fetch

NO_CHANGE = "0 added (0 bytes), 0 changed (0 -> 0 bytes), 0 removed (0 bytes), "


def serve(tree, *options, **more):
    path = temporary(".sock")
    return path, Server("--no-watch", "--control", path, *options, roots=[tree], **more)


def plan(path, *arguments, **more):
    return run_program("plan", *arguments, "--control", path, **more)


def plan_json(path, *arguments, **more):
    code, out, errors = plan(path, "--json", *arguments, **more)
    equal(errors, "")
    return code, json.loads(out)


def paths(items):
    return [item["path"] for item in items]


@test
def a_plan_tells_what_a_reload_would_do():
    tree = Tree({"a.txt": b"a", "b.txt": b"b", "c.txt": b"c"})
    path, running = serve(tree)
    with running as server:
        code, out, errors = plan(path)
        equal((code, errors), (0, ""))
        true(NO_CHANGE + "3 unchanged" in out, out)
        tree.write("new.txt", b"new")
        tree.replace("a.txt", b"other")
        tree.remove("b.txt")
        tree.link("dangling", "nowhere")
        code, out, errors = plan(path)
        equal((code, errors), (0, ""))
        for line in ("added: /new.txt  3", "changed: /a.txt  1 -> 5", "removed: /b.txt  1", "fault: %s/dangling: dangling link" % tree.root):
            true(line in out.splitlines(), "%s in\n%s" % (line, out))
        equal((fetch(server.address, "/a.txt").body, fetch(server.address, "/new.txt").status, status(path)["index"]["generation"]), (b"a", 404, 1))
        equal(server.reload(), (2, 1, 1, 1, 1, 1))


@test
def a_plan_as_json_has_it_all():
    tree = Tree({"app.27e20196a850.js": b"1", "style.css": b"body {}"})
    path, running = serve(tree)
    with running:
        tree.replace("app.27e20196a850.js", b"22")
        tree.write("index.html", b"<script src=app.35fb19a6c921.js></script>")
        code, found = plan_json(path)
        equal(code, 0)
        equal((paths(found["added"]), paths(found["changed"]), found["removed"]), (["/"], ["/app.27e20196a850.js"], []))
        equal(found["changed_fingerprints"], [{"path": "/app.27e20196a850.js", "bytes_before": 1, "bytes": 2}])
        equal(found["missing_assets"], [{"asset": "/app.35fb19a6c921.js", "page": "/"}])
        equal((found["counts"]["unchanged"], found["counts"]["changed_fingerprints"], found["refused"]), (1, 1, None))
        true(found["counts"]["variants_wanted"] > 0, found["counts"])


@test
def a_release_can_be_planned_before_it_is_switched_to():
    old, new, other = Tree({"a.txt": b"one", "same.txt": b"s"}), Tree({"next = now/a.txt": b"three", "next = now/same.txt": b"s"}), Tree({"x.txt": b"x"})
    path = temporary(".sock")
    with Server("--no-watch", "--control", path, "--root", "/other/=" + other.root, roots=[old]) as server:
        def check(root, cwd, changed):
            code, found = plan_json(path, root, cwd=cwd)
            equal((code, found["changed"], found["counts"]["unchanged"]), (0, changed, 2), root)

        changed = [{"path": "/a.txt", "bytes_before": 3, "bytes": 5}]
        check("=" + new.path("next = now"), "/", changed)
        check("./next = now", new.root, changed)
        check("/=next = now", new.root, changed)
        check("=.", new.path("next = now"), changed)
        code, found = plan_json(path, "other=" + old.root)
        equal((code, paths(found["added"]), paths(found["removed"])), (0, ["/other/a.txt", "/other/same.txt"], ["/other/x.txt"]))
        code, out, errors = plan(path, "nowhere=" + old.root)
        equal((code, out), (1, ""))
        true("/nowhere/" in errors and "no root has that prefix" in errors, errors)
        code, out, errors = plan(path, "/nonexistent/release", "--json")
        equal((code, out, errors), (1, "", "scrubjay: /nonexistent/release: No such file or directory\n"))
        equal(fetch(server.address, "/a.txt").body, b"one")
        equal(server.reload(), (2, 0, 0, 0, 3, 0))


@test
def a_name_of_two_lines_cannot_be_asked_for():
    path, running = serve(Tree({"a.txt": b"a"}))
    with running:
        for root in ("/a\nstop", "/" + "x" * 4090):
            code, out, errors = plan(path, root)
            equal((code, out, len(errors.splitlines())), (2, "", 1), errors)


@test
def a_short_plan_begins_each_list():
    tree = Tree({"f%d.txt" % i: b"x" for i in range(3)})
    path, running = serve(tree)
    with running:
        for i in range(3, 45):
            tree.write("f%d.txt" % i, b"x")
        added = [line for line in plan(path)[1].splitlines() if "added: " in line]
        equal((len(added), added[-1]), (20, "added: /f29.txt  1"))
        true("... and 22 more: added" in plan(path)[1], "what is left out is counted")
        equal(len([line for line in plan(path, "--all")[1].splitlines() if "added: " in line]), 42)


@test
def a_plan_that_would_be_refused_is_printed_and_fails():
    tree = Tree({"f%d.txt" % i: b"x" for i in range(10)})
    path, running = serve(tree, "--refuse-if", "removed>20%", "--refuse-if", "faults > 0")
    with running:
        equal(plan(path)[0], 0)
        for i in range(3):
            tree.remove("f%d.txt" % i)
        refusal = "refused: removed 3 of 10 URLs (30%), --refuse-if removed>20%"
        code, out, errors = plan(path)
        equal((code, out.splitlines()[-1], errors), (1, "a reload would be " + refusal, ""))
        code, found = plan_json(path)
        equal((code, found["refused"], paths(found["removed"])), (1, refusal, ["/f0.txt", "/f1.txt", "/f2.txt"]))


@test
def plans_and_reloads_each_get_their_own_answers():
    tree = Tree({"d%d/f%d.txt" % (i % 50, i): b"x" for i in range(3000)})
    path, running = serve(tree)
    with running as server:
        over, faults = threading.Event(), []

        def keep_planning(request, begins):
            while not over.is_set():
                answer = raw(path, request)
                if not answer.startswith(begins):
                    faults.append(answer[:200])

        def disturb():
            while not over.wait(0.003):
                server.kill(signal.SIGHUP)

        others = [threading.Thread(target=keep_planning, args=arguments) for arguments in
                  ((b"plan text\n", "ok\n3000 URLs, "), (b"plan json\n", "ok\n{\n"), (b"plan text /nonexistent\n", "error\n/nonexistent: No such"))]
        others.append(threading.Thread(target=disturb))
        for other in others:
            other.start()
        try:
            for i in range(25):
                name = "d%d/f%d.txt" % (i % 50, i)
                tree.replace(name, b"new")
                answer = raw(path, b"reload\n")
                true(re.match(r"ok\ngeneration \d+: ", answer), answer)
                equal(fetch(server.address, "/" + name).body, b"new")
        finally:
            over.set()
            for other in others:
                other.join()
        equal(faults, [])


@test
def a_long_answer_holds_nobody_up():
    tree = Tree({"a.txt": b"a"})
    path, running = serve(tree)
    with running as server:
        for i in range(20000):
            os.close(os.open(tree.path("a-name-that-is-not-quite-short-%d.txt" % i), os.O_CREAT | os.O_WRONLY, 0o644))
        lazy = []
        for request in (b"plan json\n", b"plan whole\n"):
            client = connect(path, timeout=60)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.sendall(request)
            lazy.append(client)
        wait_for(lambda: all(client.recv(1, socket.MSG_PEEK) for client in lazy), "both answers have begun", 60)
        equal(status(path)["pid"], server.pid)
        equal(fetch(server.address, "/a.txt").body, b"a")
        answers = [read_all(client) for client in lazy]
        equal(len(json.loads(answers[0][3:])["added"]), 20000)
        equal(answers[1].count("added: "), 20000)


@test
def a_client_may_go_away_before_its_plan_is_made():
    path, running = serve(Tree({"f%d.txt" % i: b"x" for i in range(300)}))
    with running as server:
        for _ in range(10):
            for client in [connect(path) for _ in range(8)]:
                client.sendall(b"plan json\n")
                client.close()
            true(raw(path, b"plan text\n").startswith("ok\n300 URLs"), "a plan after those that nobody waits for")
        equal(fetch(server.address, "/f1.txt").body, b"x")


@test
def stopping_answers_those_that_wait_for_a_plan():
    path, running = serve(Tree({"f%d.txt" % i: b"x" for i in range(2000)}))
    with running as server:
        clients = [connect(path) for _ in range(8)]
        for client in clients:
            client.sendall(b"plan text\n")
        server.kill(signal.SIGINT)
        for client in clients:
            answer = read_all(client)
            true(answer == "" or re.match(r"ok\n2000 URLs|error\n(the server is )?stopping", answer), answer)
        equal(server.wait(), 0)


@table([("an unknown form", b"plan xml\n"), ("no form", b"plan\n")])
def a_form_must_be_known(request):
    path, running = serve(Tree({"a.txt": b"a"}))
    with running:
        equal(raw(path, request), "error\na plan is given as text, whole or json\n")


def alone(*arguments):
    """Where no server can be found."""
    if any(os.path.exists(path) for path in ("/run/scrubjay.sock", "/run/scrubjay/control.sock")):
        raise Skip("there may be a server of the system's")
    return run_program("plan", *arguments, env=environment(XDG_RUNTIME_DIR=os.path.dirname(temporary())))


@test
def without_a_server_a_root_is_indexed_and_that_is_said():
    tree = Tree({"a.txt": b"x"})
    code, out, errors = alone(tree.root)
    equal((code, len(errors.splitlines())), (0, 1), errors)
    true("no server was asked" in errors and "/a.txt  1  text/plain" in out, errors + out)


@test
def without_a_server_there_is_nothing_to_compare_the_roots_with():
    code, out, errors = alone()
    equal((code, out, len(errors.splitlines())), (1, "", 1), errors)
    true("no server answers" in errors, errors)


@test
def a_server_that_was_named_has_to_answer():
    code, out, errors = plan(temporary(".sock"), Tree({"a.txt": b"x"}).root)
    equal((code, out, len(errors.splitlines())), (1, "", 1), errors)
    true("no server answers" in errors, errors)


@table([("by --local", ("--local",)), ("by an option of serve", ("--dotfiles",)), ("by none", ("--control", "none"))])
def a_server_need_not_be_asked(options):
    tree, folder = Tree({"a.txt": b"x", "b.txt": b"y"}), os.path.dirname(temporary())
    env = environment(XDG_RUNTIME_DIR=folder)
    with Server("--no-watch", roots=[Tree({"served.txt": b"a"})], env=env):
        code, out, errors = run_program("plan", *options, tree.root, env=env)
        equal((code, errors), (0, ""))
        true("/a.txt  1  text/plain" in out and "2 files, 2 bytes" in out, out)
        true("removed: /served.txt" in run_program("plan", tree.root, env=env)[1], "the server is asked")


@test
def a_local_plan_can_be_refused():
    tree = Tree({"index.html": b"<script src=app.35fb19a6c921.js></script>"})
    arguments = ("plan", "--refuse-if", "missing-assets>0", tree.root)
    code, out, errors = run_program(*arguments)
    equal((code, errors), (1, ""))
    true("missing asset: /app.35fb19a6c921.js, named in /\na reload would be refused: missing-assets 1" in out, out)
    tree.write("app.35fb19a6c921.js", b"1")
    equal(run_program(*arguments)[0], 0)
    code, out, errors = run_program("plan", "--local", "--json", tree.root)
    equal((code, errors, paths(json.loads(out)["added"])), (0, "", ["/", "/app.35fb19a6c921.js"]))


@table([(" ".join(arguments), arguments, word) for *arguments, word in (
    ("--bogus", "--bogus"), ("--local", "ROOT"), ("a", "b", "ROOT"), ("--json=1", "--json"), ("--local", "--refuse-if", "removd>1", "/tmp", "--refuse-if removd>1"))])
def wrong_use_of_plan_is_told_in_one_line(arguments, word):
    code, out, errors = run_program("plan", *arguments)
    equal((code, out, len(errors.splitlines())), (2, "", 1), errors)
    true(word in errors, errors)


@test
def plan_has_a_help_of_its_own():
    code, out, errors = run_program("plan", "--help")
    equal((code, errors), (0, ""))
    for option in ("--all", "--json", "--local", "--control"):
        true(option in out, out)
