# SPDX-License-Identifier: MIT
"""The log evaluator on Falcon."""
import falcon

from evaluator import answer


class Evaluate:
    def on_post(self, request, response):
        status, response.text = answer(request.bounded_stream.read())
        response.status = falcon.code_to_http_status(status)
        response.content_type = falcon.MEDIA_JSON


application = falcon.App()
application.add_route("/eval", Evaluate())
