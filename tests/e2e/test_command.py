# SPDX-License-Identifier: MIT
"""The command line: help, plan, and wrong use."""
import os
import re

import content
from case import equal, table, test, true
from server import Server, Tree, run_program
from wire import fetch

OPTIONS = """listen root index-file dotfiles follow-symlinks immutable max-age no-cors spa headers type no-watch memory-limit memory-file-limit loops
workers worker-nice request-line-limit fields-limit fields-size-limit body-limit header-timeout keepalive-timeout write-timeout min-rate connections
connections-per-address backlog module route spares metrics refuse-if access-log error-log log-level user group pid-file control drain-timeout""".split()


@test
def help_names_every_option():
    status, out, errors = run_program("--help")
    equal((status, errors), (0, ""))
    equal([option for option in OPTIONS if not re.search(r"--%s\b" % option, out)], [])
    true("serve" in out and "plan" in out, out)


@test
def version_is_said():
    status, out, errors = run_program("--version")
    equal((status, errors), (0, ""))
    true(re.match(r"scrubjay \S+\n\Z", out), out)


@table([(" ".join(arguments), arguments, word) for *arguments, word in (
    ("serve", "--bogus", "--bogus"), ("serve", "--listen", "--listen"), ("serve", "--listen", "nonsense", "--listen"), ("serve", "--listen", "127.0.0.1:99999", "--listen"),
    ("serve", "--listen", "127.0.0.1:-1", "--listen"), ("serve", "--listen", "127.0.0.1:x", "--listen"), ("serve", "--listen", "[::1:80", "--listen"), ("serve", "--listen", "fd://x", "--listen"),
    ("serve", "--listen", "unix:", "--listen"), ("serve", "--listen", "", "--listen"), ("serve", "--max-age", "x", "--max-age"), ("serve", "--max-age", "-1", "--max-age"),
    ("serve", "--loops", "x", "--loops"), ("serve", "--loops", "-1", "--loops"), ("serve", "--loops", "999999999999", "--loops"), ("serve", "--workers", "1x", "--workers"),
    ("serve", "--worker-nice", "99", "--worker-nice"), ("serve", "--memory-limit", "5Q", "--memory-limit"), ("serve", "--memory-limit", "", "--memory-limit"),
    ("serve", "--memory-limit", "99999999999999999999", "--memory-limit"), ("serve", "--memory-limit", "99999999999999999G", "--memory-limit"), ("serve", "--header-timeout", "abc", "--header-timeout"),
    ("serve", "--header-timeout", "-5s", "--header-timeout"), ("serve", "--keepalive-timeout", "5 s", "--keepalive-timeout"), ("serve", "--log-level", "loud", "--log-level"),
    ("serve", "--type", "foo", "--type"), ("serve", "--type", ".foo", "--type"), ("serve", "--type", ".foo=text/x\ny", "--type"), ("serve", "--immutable", "(", "--immutable"),
    ("serve", "--fields-limit", "many", "--fields-limit"), ("serve", "--connections", "1e5", "--connections"), ("serve", "--no-watch=yes", "--no-watch"), ("serve", "--dotfiles=1", "--dotfiles"),
    ("serve", "-z", "-z"), ("frobnicate", "frobnicate"), ("plan", "--bogus", "--bogus"), ("compress", "--bogus", "--bogus"), ("compress", "DIR"), ("compress", "/tmp", "/usr", "DIR"),
    ("compress", "--no-gzip", "--no-br", "--no-zstd", "/tmp", "nothing"), ("compress", "--workers", "65", "/tmp", "--workers"), ("--bogus", "--bogus"))])
def wrong_use_is_told_in_one_line(arguments, word):
    status, out, errors = run_program(*arguments)
    equal((status, out), (2, ""), errors)
    equal(len(errors.splitlines()), 1, errors)
    true(word in errors, errors)


@test
def nothing_at_all_is_wrong_use():
    status, _, errors = run_program()
    equal((status, len(errors.splitlines())), (2, 1), errors)


@test
def two_roots_as_arguments_are_wrong_use():
    status, _, errors = run_program("serve", "/tmp", "/usr")
    equal((status, len(errors.splitlines())), (2, 1), errors)


@table([(" ".join(arguments), arguments, word) for *arguments, word in (
    ("serve", "--listen", "127.0.0.1:0", "/nonexistent/root", "/nonexistent/root"), ("serve", "--listen", "127.0.0.1:0", "/etc/passwd", "/etc/passwd"), ("plan", "/nonexistent/root", "/nonexistent/root"),
    ("serve", "--listen", "127.0.0.1:0", "--headers", "/nonexistent/rules", "/tmp", "/nonexistent/rules"), ("serve", "--listen", "127.0.0.1:0", "--access-log", "/nonexistent/log", "/tmp", "/nonexistent/log"),
    ("serve", "--listen", "127.0.0.1:0", "--error-log", "/nonexistent/log", "/tmp", "/nonexistent/log"), ("serve", "--listen", "127.0.0.1:0", "--root", "/x=/nonexistent/root", "/nonexistent/root"),
    ("serve", "--listen", "127.0.0.1:0", "--user", "no-such-user-here", "/tmp", "no-such-user-here"), ("serve", "--listen", "127.0.0.1:0", "--group", "no-such-group-here", "/tmp", "no-such-group-here"))])
def what_cannot_be_opened_is_named(arguments, word):
    status, _, errors = run_program(*arguments)
    true(status in (1, 2), "exit status %d" % status)
    true(word in errors, errors)


@test
def the_default_root_is_where_we_are():
    tree = Tree({"a.txt": b"here"})
    with Server(cwd=tree.root) as server:
        equal(fetch(server.address, "/a.txt").body, b"here")


@test
def the_start_line_counts():
    tree = Tree({"a.txt": b"12345", "dir/b.txt": b"678"})
    tree.link("dangling", "nowhere")
    with Server(roots=[tree]) as server:
        equal((server.files, server.bytes, server.faults), (2, 8, 1))
        equal(run_program("--version")[1], "scrubjay %s\n" % server.version)


@test
def plan_shows_the_index_and_its_faults():
    tree = Tree({"a.txt": b"12345", "dir/index.html": b"x", ".hidden": b"s", "new\nline.txt": b"x"})
    content.sidecars(tree, "s.css")
    tree.write("s.css.gz", b"broken", content.server.OLD + 5)
    tree.link("dangling", "nowhere")
    os.mkfifo(tree.path("fifo"))
    status, out, errors = run_program("plan", "--local", tree.root)
    both = out + errors
    for word in ("/a.txt", "/dir/", "s.css.gz", "dangling", "fifo"):
        true(word in both, "%s in\n%s" % (word, both))
    true(".hidden" not in out, "no dot names")
    true("\nline.txt" not in both, "names are escaped")
    true(status in (0, 1), "exit status %d" % status)


@test
def plan_of_a_good_tree_ends_well():
    status, out, errors = run_program("plan", "--dotfiles", Tree({"a.txt": b"x", ".hidden": b"y"}).root)
    equal((status, errors), (0, ""))
    true("/.hidden" in out, out)


def policies_of_workers(server):
    found = set()
    for thread in server.threads():
        with open("/proc/%d/task/%s/comm" % (server.pid, thread)) as file:
            if file.read().startswith("sj-worker"):
                found.add(os.sched_getscheduler(int(thread)))
    return found


@test
def workers_yield_or_the_log_says_why_not():
    with Server(roots=[Tree({"a.txt": b"x"})]) as server:
        is_told = any("workers do not yield" in line for line in server.lines)
        equal(policies_of_workers(server), {os.SCHED_OTHER if is_told else os.SCHED_IDLE})


@test
def without_worker_nice_workers_do_not_yield():
    with Server("--worker-nice", "0", roots=[Tree({"a.txt": b"x"})]) as server:
        equal(policies_of_workers(server), {os.SCHED_OTHER})
        equal([line for line in server.lines if "workers" in line], [])


@test
def size_and_time_units_are_understood():
    with Server("--memory-limit", "1G", "--memory-file-limit", "512K", "--fields-size-limit", "64K", "--body-limit", "2M", "--header-timeout", "500ms", "--keepalive-timeout", "1m", "--write-timeout", "30",
                "--loops", "1", "--workers", "1", "--worker-nice", "19", "--log-level", "debug", roots=[Tree({"a.txt": b"x"})]) as server:
        equal(fetch(server.address, "/a.txt").body, b"x")
