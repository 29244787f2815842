# SPDX-License-Identifier: MIT
"""Deploys that are kept: what vanished under an immutable name, and rollback."""
import json
import time

from case import equal, test, true
from server import Server, Tree, run_program, temporary
from wire import Client

IMMUTABLE = "max-age=315360000, public, immutable"


def asset(i):
    return "app.%08x.js" % (0x5af1c2d3 + 7919 * i)


def fill(tree, i):
    """The tree as deploy number i, by rename, in the place of the one before."""
    tree.replace(asset(i), b"asset %d" % i)
    tree.replace("index.html", b"page %d" % i)
    tree.replace("deploy-%d.txt" % i, b"plain")
    if i > 0:
        tree.remove(asset(i - 1))
        tree.remove("deploy-%d.txt" % (i - 1))


def command(path, *arguments):
    return run_program(*arguments, "--control", path)


def get(server, target, **headers):
    with Client(server.address) as client:
        return client.get(target, headers)


def serve(*options):
    path, tree = temporary(".sock"), Tree()
    fill(tree, 0)
    return path, tree, Server("--no-watch", "--control", path, *options, roots=[tree])


def deploy(path, tree, i):
    fill(tree, i)
    equal(command(path, "reload")[0], 0)


@test
def assets_of_the_last_two_deploys_are_answered_and_older_ones_are_not():
    path, tree, running = serve()
    with running as server:
        first = get(server, "/" + asset(0))
        deploy(path, tree, 1)
        for i in (0, 1):
            r = get(server, "/" + asset(i))
            equal((r.status, r.body, r.get("cache-control")), (200, b"asset %d" % i, IMMUTABLE))
        equal(get(server, "/" + asset(0)).get("etag"), first.get("etag"))
        equal(get(server, "/" + asset(0), **{"If-None-Match": first.get("etag")}).status, 304)
        equal(get(server, "/deploy-0.txt").status, 404)
        deploy(path, tree, 2)
        r = get(server, "/" + asset(0))
        equal((r.status, r.get("cache-control")), (404, "no-store"))
        equal([get(server, "/" + asset(i)).body for i in (1, 2)], [b"asset 1", b"asset 2"])


@test
def an_asset_that_is_not_held_in_memory_outlives_its_file():
    path, tree, running = serve("--memory-limit", "0")
    with running as server:
        deploy(path, tree, 1)
        equal([get(server, "/" + asset(i)).body for i in (0, 1)], [b"asset 0", b"asset 1"])


@test
def retention_ends_with_time():
    path, tree, running = serve("--retain-seconds", "1")
    with running as server:
        deploy(path, tree, 1)
        end = time.monotonic() + 20
        while get(server, "/" + asset(0)).status == 200:
            true(time.monotonic() < end, "kept for ever")
            time.sleep(0.05)
        equal(get(server, "/" + asset(0)).get("cache-control"), "no-store")


@test
def rollback_serves_the_deploy_before():
    path, tree, running = serve()
    with running as server:
        deploy(path, tree, 1)
        code, out, errors = command(path, "rollback")
        equal((code, errors), (0, ""))
        true(out.startswith("generation 1: rolled back, "), out)
        equal(get(server, "/").body, b"page 0")
        equal([get(server, "/" + asset(i)).body for i in (0, 1)], [b"asset 0", b"asset 1"])
        code, out, errors = command(path, "rollback")
        equal((code, out), (1, ""))
        true("no older deploy is kept" in errors, errors)
        equal(command(path, "reload")[0], 0)
        equal(get(server, "/").body, b"page 1")


@test
def changes_on_disk_wait_after_a_rollback():
    path, tree = temporary(".sock"), Tree()
    fill(tree, 0)
    with Server("--control", path, roots=[tree]) as server:
        deploy(path, tree, 1)
        equal(command(path, "rollback")[0], 0)
        tree.replace("index.html", b"page 2")
        time.sleep(0.5)  # far longer than the quiet period: a reload would have come
        equal(get(server, "/").body, b"page 0")
        equal(command(path, "reload")[0], 0)
        equal(get(server, "/").body, b"page 2")


@test
def status_shows_what_is_kept():
    path, tree, running = serve()
    with running as server:
        deploy(path, tree, 1)
        report = json.loads(command(path, "status", "--json")[1])
        equal([kept["generation"] for kept in report["kept"]], [1])
        equal(report["index"]["rolled_back"], False)
        equal(report["pid"], server.pid)
