"""An account of its own for each request: for operations that end the session or the account (hooks of tests/schemathesis.sh)."""

import itertools
import json
import os
import urllib.request

import schemathesis

NUMBERS = itertools.count()


@schemathesis.auth(refresh_interval=None)
class Account:
    """Signs somebody up and asks as them."""

    def get(self, case, context):
        number = next(NUMBERS)
        # From an address of its own too: one address may not sign up without end.
        headers = {"Content-Type": "application/json", "X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
        body = {
            "email": f"person-{os.getpid()}-{number}@shop.example",
            "password": os.environ["FOOTFALL_PASSWORD"],
            "full_name": "Person",
        }
        request = urllib.request.Request(
            os.environ["FOOTFALL_BASE"] + "/api/auth/sign-up",
            json.dumps(body).encode(),
            headers,
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["data"]["access_token"]

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
