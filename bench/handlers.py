# SPDX-License-Identifier: MIT
"""Servers with tasks: how they are started and asked."""
import http.client
import os
import time

from servers import Unusable

TOOLS = {"/usr/include/curl/curl.h": "libcurl4-openssl-dev", "/usr/include/openssl/ssl.h": "libssl-dev",
         "/usr/include/expat.h": "libexpat1-dev", "/usr/include/event2/http.h": "libevent-dev"}


def start(context, row, tasks, settings, root):
    """Raises Unusable."""
    modules = context.program("modules")
    if "$modules" in row.command and not os.path.exists(os.path.join(modules, "tasks.so")):
        raise Unusable(f"{modules}/tasks.so is not there (apt-get install {' '.join(TOOLS.values())}, configure, make bench)")
    return context.start(row, root, settings, modules=modules,
                         routes=" ".join(f"--route /{task}=tasks:{task}" for task in tasks))


def check(server, task, expected):
    """One request: status, body, and that it took its time."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.ports[None], timeout=30)
    try:
        connection.request("GET", "/" + task.name, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
    except (http.client.HTTPException, OSError) as error:
        raise Unusable(f"{task.name}: {error!r}") from error
    finally:
        connection.close()
    took_ms = (time.monotonic() - began) * 1000
    if answer.status != 200:
        raise Unusable(f"{task.name}: status {answer.status}")
    if body != expected:
        raise Unusable(f"{task.name}: {len(body)} octets, other than the {len(expected)} expected")
    if took_ms < task.wait_ms * 0.95:
        raise Unusable(f"{task.name}: answered after {took_ms:.0f} ms, before it can be done")
