# SPDX-License-Identifier: MIT
"""What Gunicorn serves in the comparison: WhiteNoise over BENCH_ROOT, and 404 for the rest."""
import os

from whitenoise import WhiteNoise


def not_found(environ, start_response):
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


application = WhiteNoise(not_found, root=os.environ["BENCH_ROOT"])
