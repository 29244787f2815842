# SPDX-License-Identifier: MIT
"""--refuse-if: reloads that are not served."""
import re
import signal
import time

from case import equal, test, true
from server import Server, Tree, run_program, temporary
from test_control import ask
from wire import Client, fetch

REFUSED = "not reloaded, generation %d serves on: refused: removed %s URLs (%s%%), --refuse-if removed>20%%"


def serve(*options):
    path, tree = temporary(".sock"), Tree({"f%d.txt" % i: b"x" for i in range(10)})
    return path, tree, Server("--control", path, "--refuse-if", "removed>20%", "--refuse-if", "missing-assets>0", *options, roots=[tree], expected_errors="refused: ")


def remove(tree, *numbers):
    for i in numbers:
        tree.remove("f%d.txt" % i)


@test
def a_reload_that_would_remove_too_much_is_refused_until_it_is_forced():
    path, tree, running = serve("--no-watch")
    with running as server, Client(server.address) as client:
        remove(tree, 0, 1, 2)
        refusal = REFUSED % (1, "3 of 10", "30")
        equal(ask(path, "reload"), (1, "", "scrubjay: %s\n" % refusal))
        server.wait_line("error " + re.escape(refusal) + "$")
        equal(client.get("/f0.txt").status, 200)
        start = len(server.lines)
        server.kill(signal.SIGHUP)
        server.wait_line("error " + re.escape(refusal) + "$", start=start)
        code, out, errors = ask(path, "reload", "--force")
        equal((code, errors, out.split(";")[0]), (0, "", "generation 2: 0 added, 0 changed, 3 removed, 7 unchanged, 0 faults"))
        equal(client.get("/f0.txt").status, 404)
        remove(tree, 3, 4)
        equal(ask(path, "reload"), (1, "", "scrubjay: %s\n" % (REFUSED % (2, "2 of 7", "28.57"))))
        tree.write("f3.txt", b"x")
        equal(ask(path, "reload")[0], 0)


@test
def a_page_without_its_asset_is_refused_under_watch_and_served_when_it_is_whole():
    path, tree, running = serve()
    with running as server:
        tree.replace("index.html", b"<script src=app.35fb19a6c921.js></script>")
        server.wait_line("refused: missing-assets 1, --refuse-if missing-assets>0")
        equal(fetch(server.address, "/").status, 404)
        time.sleep(1)  # far longer than the quiet period: what is refused is not tried for ever
        equal(len([line for line in server.lines if "refused" in line]), 1)
        tree.replace("app.35fb19a6c921.js", b"1")
        server.wait_line("generation 2: 2 added")
        equal(fetch(server.address, "/").status, 200)


@test
def a_file_that_is_not_as_indexed_does_not_bring_a_refused_reload_back():
    large = b"x" * 100_000
    path, tree, running = serve("--no-watch", "--memory-limit", "0")
    with running as server:
        tree.write("large.bin", large)
        equal(ask(path, "reload")[0], 0)
        remove(tree, 0, 1, 2)
        tree.write("large.bin", large + b"more", 1_700_000_000)
        equal(ask(path, "reload")[0], 1)
        for _ in range(20):
            with Client(server.address) as client:
                client.get("/large.bin")
            time.sleep(0.03)
        equal(len([line for line in server.lines if "refused" in line]), 1)


@test
def the_first_index_can_be_refused():
    code, _, errors = run_program("serve", "--listen", "127.0.0.1:0", "--control", "none", "--refuse-if", "urls<2", Tree({"a.txt": b"a"}).root)
    equal(code, 1, errors)
    true(errors.splitlines()[-1] == "scrubjay: refused: urls 1, --refuse-if urls<2", errors)


@test
def a_wrong_condition_is_wrong_use():
    for condition in ("removd>20%", "removed", "removed>x", ""):
        code, out, errors = run_program("serve", "--listen", "127.0.0.1:0", "--refuse-if", condition, "/tmp")
        equal((code, out, len(errors.splitlines())), (2, "", 1), errors)
        true("--refuse-if " + condition in errors and "missing-assets" in errors, errors)
