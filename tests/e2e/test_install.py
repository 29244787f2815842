# SPDX-License-Identifier: MIT
"""What is installed, used as a user would; and that the manual says what there is."""
import os
import re
import shutil
import subprocess

from case import Skip, equal, table, test, true
from server import Server, Tree, run_program, shared, temporary
from wire import Client

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("MODULES", "")  # the folder that is built in


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, **options)
    equal(done.returncode, 0, "%s\n%s\n%s" % (" ".join(command), done.stdout[-3000:], done.stderr[-3000:]))
    return done.stdout


class Installation:
    """The whole of it, under a folder that stands for the root."""

    def __init__(self):
        if not os.path.exists(os.path.join(BUILD, "Makefile")):
            raise Skip("MODULES does not name the folder that is built in")
        for program in ("make", "pkg-config", "cc"):
            if not shutil.which(program):
                raise Skip("%s is missing" % program)
        self.root = os.path.dirname(temporary())
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "DESTDIR"))}
        run("make", "-C", BUILD, "install", "DESTDIR=" + self.root, env=plain)
        self.env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(self.path("pkgconfig/scrubjay.pc")), PKG_CONFIG_SYSROOT_DIR=self.root)

    def path(self, end):
        """Of the one file whose path ends so, wherever the prefix has put it."""
        found = [os.path.join(folder, name) for folder, _, names in os.walk(self.root) for name in names]
        found = [path for path in found if path.endswith("/" + end)]
        equal(len(found), 1, "%s: %s" % (end, found))
        return found[0]

    def stop(self):
        pass


def installation():
    return shared(Installation)


def option_names(text, pattern):
    return sorted(set(re.findall(pattern, text)))


def manual(name):
    with open(os.path.join(TOP, "doc", name)) as file:
        return file.read().replace("\\-", "-")


@test
def the_examples_are_built_as_they_say_and_run():
    there = installation()
    folder = os.path.dirname(temporary())
    for name in ("echo", "sleep"):
        source = there.path("examples/%s.c" % name)
        with open(source) as file:
            command = re.search(r"cc -shared .*", file.read())[0]
        shutil.copy(source, folder)
        run("sh", "-ec", command, cwd=folder, env=there.env)
    program = there.path("bin/scrubjay")
    instead = ["sh", "-c", 'shift; exec "%s" "$@"' % program, "sh"]
    with Server("--module", "./echo.so", "--module", "./sleep.so", "--route", "/echo=echo:echo,body=100M", "--route", "/sleep=sleep:sleep,time=2m",
                roots=[Tree()], wrap=instead, cwd=folder) as server:
        with Client(server.address) as client:
            equal(client.get("/echo", {"Content-Length": "5"}, "POST", body=b"12345").body, b"12345")
            equal(client.get("/sleep?ms=10").body, b"good morning\n")


@test
def the_first_handler_of_the_readme_answers():
    there = installation()
    folder = os.path.dirname(temporary())
    with open(os.path.join(TOP, "README.md")) as file:
        text = file.read()
    with open(os.path.join(folder, "hello.c"), "w") as file:
        file.write(re.search(r"```c\n(.*?)```", text, re.S)[1])
    run("sh", "-ec", re.search(r"cc -shared .*hello\.c", text)[0], cwd=folder, env=there.env)
    route = re.search(r"--route (/hello=\S+) /srv", text)[1]
    longer = re.search(r"--route (/hello=\S+)`", text)[1]
    for option in (route, longer):
        with Server("--module", "./hello.so", "--route", option, roots=[Tree()], cwd=folder) as server, Client(server.address) as client:
            equal(client.get("/hello").body, b"hello, world\n")
            equal(client.get("/hello?name=jay").body, b"hello, jay\n")


MODULE = """
#include <scrubjay/handler.h>

static int hello(struct sj_call *call)
{
    return sj_answer_text(call, "hello\\n");
}

static const struct sj_handler handlers[] = {{"hello", hello, SJ_SYNC}, {NULL, NULL, SJ_SYNC}};

SJ_MODULE = {SJ_ABI, "small", handlers, NULL, NULL, NULL};
"""


@table([("C", "cc", "c", ("-std=c99", "-pedantic", "-D_POSIX_C_SOURCE=200809L")), ("C++", "c++", "c++", ("-std=c++11",))])
def the_header_stands_alone_and_a_module_is_built_without_a_warning(compiler, language, options):
    there = installation()
    if not shutil.which(compiler):
        raise Skip("%s is missing" % compiler)
    source = temporary("." + language)
    library = source + ".so"
    with open(source, "w") as file:
        file.write(MODULE)
    strict = (compiler, *options, "-Wall", "-Wextra", "-Werror", "-x", language)
    run(*strict, "-fsyntax-only", there.path("include/scrubjay/handler.h"))
    include = os.path.dirname(os.path.dirname(there.path("include/scrubjay/handler.h")))
    run(*strict, "-I", include, "-fvisibility=hidden", "-shared", "-fPIC", "-o", library, source)
    with Server("--module", library, "--route", "/hello=small:hello", roots=[Tree()]) as server, Client(server.address) as client:
        equal(client.get("/hello").body, b"hello\n")


@test
def the_manual_names_every_function_of_the_header():
    with open(os.path.join(TOP, "http/handler.h")) as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    declared = option_names(text, r"\b(sj_(?:call|answer|blocking|fork)_\w+)\(")
    true(len(declared) > 30, declared)
    equal(option_names(manual("scrubjay-handler.3"), r"\b(sj_(?:call|answer|blocking|fork)_\w*[a-z])\b"), declared)


@test
def the_manual_names_every_option():
    helped = []
    for command in ([], ["compress"], ["plan"], ["status"]):
        helped += re.findall(r"--([a-z][a-z-]*)", run_program(*command, "--help")[1])
    written = re.findall(r"(?:Fl|,|\|) -([a-z][a-z-]*)", manual("scrubjay.8"))
    equal(sorted(set(helped) - set(written)), [])
    equal(sorted(set(written) - set(helped) - {"version"}), [])
