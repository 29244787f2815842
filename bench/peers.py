# SPDX-License-Identifier: MIT
"""The table of who takes part in what: one row a program and the parts that it takes part in.

A new peer is one row here and, if it has a configuration or a program of its own, one file in peers/.
"""
import os
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
SUBJECT = "scrubjay"
LIMIT = "epoll-threads"  # parses nothing: what the kernel costs


@dataclass(frozen=True)
class Row:
    name: str
    parts: str  # words
    program: str  # of the system; $NAME or $NAME/FILE: ours, from the environment; peers/FILE: compiled first
    packages: str  # of Debian; empty: made here
    command: str  # $port $admin $root $work $cores $workers $bench $peers $config; $bytes: a process a file
    config: str = ""  # a template in peers/, filled in like the command


def rows_of(part):
    return [row for row in ROWS if part in row.parts.split()]


FILES = "static-files sizes low-power"
ONE_FILE = "$port $root/$bytes.txt"
SERVE = "serve --cache-dir none --no-compress --listen 127.0.0.1:$port"
PYTHON = "/usr/bin/python3"  # Debian's: it has Debian's packages
GUNICORN = "-b 127.0.0.1:$port --pythonpath $peers"
WHITENOISE = "gunicorn python3-whitenoise python3-brotli"
TORNADO = "python3-tornado python3-pycares"

ROWS = (
    Row(SUBJECT, FILES + " io-models", "$SCRUBJAY", "", SERVE + " --control none $root"),
    Row(SUBJECT, "reload", "$SCRUBJAY", "", SERVE + " --no-watch --control $work/control.sock $root"),
    Row(SUBJECT, "long-tasks mixed", "$SCRUBJAY", "", SERVE + " --control none $handlers $root"),
    Row(SUBJECT, "eval", "$SCRUBJAY", "", SERVE + " --control none --workers $count --module $modules/eval.so"
        " --route /eval=eval:eval $root"),
    Row("blocking", "io-models", "$MODELS/blocking", "", ONE_FILE),
    Row("select", "io-models", "$MODELS/select", "", ONE_FILE),
    Row("epoll", "io-models", "$MODELS/epoll", "", ONE_FILE),
    Row(LIMIT, "io-models sizes", "$MODELS/epoll", "", ONE_FILE + " $cores"),
    Row("thread-per-connection", "io-models", "$MODELS/threads", "", ONE_FILE),
    Row("io_uring", "io-models", "$MODELS/uring", "", ONE_FILE + " $cores"),
    Row("nginx", FILES + " index reload", "nginx", "nginx", "-p $work -e $work/nginx.log -c $config", "nginx.conf"),
    Row("h2o", FILES, "h2o", "h2o", "-c $config", "h2o.conf"),
    Row("lighttpd", FILES, "lighttpd", "lighttpd", "-D -f $config", "lighttpd.conf"),
    Row("caddy", FILES + " reload", "caddy", "caddy", "run --config $config", "caddy.json"),
    Row("gunicorn", FILES + " index", "gunicorn", WHITENOISE, GUNICORN + " --timeout 600 -w $workers wsgi"),
    Row("gunicorn-gthread", "static-files reload", "gunicorn", WHITENOISE,
        GUNICORN + " --timeout 600 -w $workers -k gthread --threads 4 --keep-alive 3600 wsgi"),
    Row("flask", "eval", "gunicorn", "gunicorn python3-flask", GUNICORN + " -w $count eval_flask"),
    Row("falcon", "eval", "gunicorn", "gunicorn python3-falcon", GUNICORN + " -w $count eval_falcon"),
    Row("fastapi", "eval", "gunicorn", "gunicorn python3-fastapi uvicorn",
        GUNICORN + " -w $count -k uvicorn.workers.UvicornWorker eval_fastapi"),
    Row("tornado-1", "long-tasks", PYTHON, TORNADO, "$peers/tornado_tasks.py $port 1"),
    Row("tornado-2", "long-tasks mixed", PYTHON, TORNADO, "$peers/tornado_tasks.py $port 2"),
    Row("tornado-3", "long-tasks", PYTHON, TORNADO, "$peers/tornado_tasks.py $port 3"),
    Row("tornado-4", "long-tasks mixed", PYTHON, TORNADO, "$peers/tornado_tasks.py $port 4"),
    Row("go", "long-tasks mixed", "peers/tasks.go", "golang-go", "$port"),
    Row(SUBJECT, "scheduler", "$KERNELS", "", ""),
    Row("oneTBB", "scheduler", "peers/kernels_tbb.cc", "g++ libtbb-dev", ""),
    Row("OpenMP", "scheduler", "peers/kernels_openmp.c", "gcc", ""),
    Row("Go", "scheduler", "peers/kernels.go", "golang-go", ""),
)
