# SPDX-License-Identifier: MIT
"""The reference servers of the benchmarks (bench/models) do what they are timed for."""
import os
import sys

from case import Skip, table
from server import temporary

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))

import contract  # noqa: E402
from servers import Unusable  # noqa: E402


@table([("%s %s" % (row.name, check.__name__.replace("_", " ")), row, check)
        for row in contract.MODELS for check in contract.CHECKS])
def reference_server(row, check):
    path = os.path.join(os.environ.get("MODULES", ""), row.program.replace("$MODELS", "bench/models"))
    if not os.path.exists(path):
        raise Skip("%s is not built" % path)
    folder = os.path.dirname(temporary())
    try:
        processes, subject = contract.start_model(row, path, folder, contract.make_files(folder))
    except Unusable as error:
        raise Skip(str(error))
    try:
        check(subject)
    finally:
        contract.end(processes)
