# SPDX-License-Identifier: MIT
"""The log evaluator on FastAPI."""
from fastapi import FastAPI, Request, Response

from evaluator import answer

application = FastAPI()


@application.post("/eval")
async def evaluate(request: Request):
    status, said = answer(await request.body())
    return Response(said, status, media_type="application/json")
