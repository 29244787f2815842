# SPDX-License-Identifier: MIT
"""The log evaluator that the web frameworks serve as POST /eval: rules from BENCH_RULES; see README.md."""
import json
import os
import re


class Rule:
    def __init__(self, number, score, pattern):
        self.number, self.score = number, score
        self.search = re.compile(pattern.encode()).search


def read_rules(path):
    """A rule a line: score, tab, pattern.  Not empty lines and those that begin with #."""
    with open(path, encoding="utf-8") as file:
        lines = enumerate(file.read().split("\n"), 1)
    rules = [(number, *line.partition("\t")[::2]) for number, line in lines if line and not line.startswith("#")]
    return [Rule(number, int(score), pattern) for number, score, pattern in rules]


RULES = read_rules(os.environ["BENCH_RULES"])


def evaluate(lines):
    matches, score = [], 0
    for point, line in enumerate(lines):
        octets = line.encode(errors="replace")
        for rule in RULES:
            found = rule.search(octets)
            if found:
                matches.append({"point": point, "rule": rule.number, "at": found.start()})
                score += rule.score
    return {"matches": matches, "score": score, "points": len(lines)}


def lines_of(request):
    """The log lines, or None where the request has another form."""
    payload = request.get("payload") if isinstance(request, dict) else None
    lines = [payload] if isinstance(payload, str) else payload
    return lines if isinstance(lines, list) and all(isinstance(line, str) for line in lines) else None


def answer(body):
    """Of a request's body: status and JSON."""
    try:
        text = body.decode()
        lines = lines_of(json.loads(text))
    except UnicodeDecodeError as error:
        return 400, json.dumps({"error": "not UTF-8", "position": error.start})
    except json.JSONDecodeError as error:
        return 400, json.dumps({"error": error.msg, "position": len(text[:error.pos].encode())})
    if lines is None:
        return 400, json.dumps({"error": "payload is to be a string or a list of strings"})
    return 200, json.dumps(evaluate(lines))
