# SPDX-License-Identifier: MIT
"""The log evaluator on Flask."""
from flask import Flask, Response, request

from evaluator import answer

application = Flask(__name__)


@application.post("/eval")
def evaluate():
    status, said = answer(request.get_data())
    return Response(said, status, mimetype="application/json")
