# SPDX-License-Identifier: MIT
"""What is "external" to the tasks, on loopback: pages over HTTP and TLS, far away, and their name."""
import os
import random
import socket
import struct
import subprocess
import sys
import time

import servers
from peers import Row
from servers import Unusable
from workloads import NAME_MS, ROUND_TRIP_MS, SLEEP_MS

NAME = "pages.bench.test"  # .test is reserved: no other name server knows it
PAGE_BYTES = 10_000
XML_RECORDS = 20_000  # 3.3 MB: some 100 ms to fetch and parse in Python
FILE_BYTES = 1 << 20
SLEEP_PARTS = 10
ATTEMPTS = 20
POOL = 2 * servers.CORES

NGINX = Row("external", "", "nginx", "nginx", "-p $work -e $work/external.log -c $config", "external.conf")
FAR = Row("delay", "", "$DELAY", "", f"$port $to {ROUND_TRIP_MS}")
NAMES = Row("names", "", sys.executable, "", f"$bench/names.py $port {NAME} {NAME_MS}")


def openssl(work, *arguments):
    said = subprocess.run(("openssl",) + arguments, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False)
    if said.returncode != 0:
        raise Unusable(f"openssl {arguments[0]}: {said.stderr}")


def make_certificates(work):
    """An authority (ca.pem) and what it says of NAME and of 127.0.0.1 (external.pem, .key), for a week."""
    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(work, *new, "-x509", "-days", "7", "-subj", "/CN=Bench authority", "-keyout", "ca.key", "-out", "ca.pem",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl(work, *new, "-subj", f"/CN={NAME}", "-keyout", "external.key", "-out", "external.csr")
    with open(os.path.join(work, "external.ext"), "w", encoding="ascii") as file:
        file.write(f"subjectAltName=DNS:{NAME},IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
    openssl(work, "x509", "-req", "-in", "external.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "7", "-extfile", "external.ext", "-out", "external.pem")


def make_records(source):
    """The XML, and what the tasks have to say of it: how many records, and the sum of the amounts by kind."""
    parts, sums = ['<?xml version="1.0" encoding="UTF-8"?>\n<records>\n'], {}
    for number in range(XML_RECORDS):
        kind, amount = source.choice(("fee", "in", "out")), source.randrange(1, 100_000)
        sums[kind] = sums.get(kind, 0) + amount
        parts.append(f'<record id="{number}" kind="{kind}"><name>Customer {source.randrange(10 ** 6)}</name>'
                     f"<city>City {source.randrange(1000)}</city><amount>{amount}</amount>"
                     f"<note>{'brought forward from the last page ' * source.randrange(3)}</note></record>\n")
    lines = [f"records {XML_RECORDS}\n"] + [f"{kind} {total}\n" for kind, total in sorted(sums.items())]
    return "".join(parts + ["</records>\n"]).encode(), "".join(lines).encode()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


class External:
    """Starts it all.  `settings` are the environment of the servers, `bodies` what tasks must answer, by what they do."""

    def __init__(self, context):
        self.context, self.work, self.settings = context, context.work, {}
        work = context.work
        source = random.Random(4)
        page = b"<!doctype html><title>Page</title><pre>" + source.randbytes(PAGE_BYTES).hex().encode()[:PAGE_BYTES]
        records, summary = make_records(source)
        data = source.randbytes(FILE_BYTES)
        self.pages = os.path.join(work, "pages")
        for folder in (self.pages, os.path.join(work, "temporary")):
            os.mkdir(folder)
            os.chmod(folder, 0o777)
        for name, content in (("page.html", page), ("flaky.html", page), ("records.xml", records)):
            write(os.path.join(self.pages, name), content)
        write(os.path.join(work, "file"), data)
        self.bodies = {"sleep": f"slept {SLEEP_MS} ms\n".encode(), "page": page, "records": summary, "file": data}

    def start(self):
        """Raises Unusable."""
        make_certificates(self.work)
        tls_port = servers.free_port()
        near = self.launch(NGINX, tls_port=tls_port, pages=self.pages, certificates=self.work)
        far = self.launch(FAR, to=near)
        far_tls = self.launch(FAR, to=tls_port)
        self.settings = self.make_settings(near, far, far_tls, self.start_names())

    def launch(self, row, **more):
        return servers.launch(self.context.server(row), self.work, self.work, **more)

    def start_names(self):
        server = self.context.server(NAMES)
        port = servers.spawn(server, self.work, self.work)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and server.processes[0].poll() is None:
            if asks(port):
                return port
        raise Unusable("the name server did not start: " + servers.last_words(server.log))

    def make_settings(self, near, far, far_tls, dns):
        page, flaky = "page.html", "flaky.html"
        return {"BENCH_SLEEP_MS": str(SLEEP_MS), "BENCH_SLEEP_PARTS": str(SLEEP_PARTS),
                "BENCH_POOL": str(POOL), "BENCH_ATTEMPTS": str(ATTEMPTS),
                "BENCH_FILE": os.path.join(self.work, "file"),
                "BENCH_TEMPORARY": os.path.join(self.work, "temporary"),
                "BENCH_CA": os.path.join(self.work, "ca.pem"), "BENCH_DNS": f"127.0.0.1:{dns}",
                "BENCH_LOCAL_URL": f"http://127.0.0.1:{near}/{page}",
                "BENCH_EXTERNAL_URL": f"http://127.0.0.1:{far}/{page}",
                "BENCH_EXTERNAL_RETRY_URL": f"http://127.0.0.1:{far}/{flaky}",
                "BENCH_EXTERNAL_DNS_URL": f"http://{NAME}:{far}/{page}",
                "BENCH_EXTERNAL_DNS_RETRY_URL": f"http://{NAME}:{far}/{flaky}",
                "BENCH_HTTPS_URL": f"https://127.0.0.1:{far_tls}/{page}",
                "BENCH_HTTPS_RETRY_URL": f"https://127.0.0.1:{far_tls}/{flaky}",
                "BENCH_HTTPS_DNS_URL": f"https://{NAME}:{far_tls}/{page}",
                "BENCH_HTTPS_DNS_RETRY_URL": f"https://{NAME}:{far_tls}/{flaky}",
                "BENCH_HTTPS_XML_URL": f"https://127.0.0.1:{far_tls}/records.xml"}


def asks(port):
    """True if the name server at this port knows NAME."""
    name = b"".join(bytes((len(label),)) + label.encode() for label in NAME.split(".")) + b"\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        client.connect(("127.0.0.1", port))
        try:
            client.send(struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1))
            return client.recv(512).endswith(socket.inet_aton("127.0.0.1"))
        except OSError:  # it is not there yet
            time.sleep(0.05)
            return False
