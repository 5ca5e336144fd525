"""What selftest talks to the backend with: starts one, calls its REST and
GraphQL APIs, and calls in parallel. Python's own library only."""

import base64
import http.client
import json
import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

SIGN_IN = """mutation($email: String!, $password: String!) {
  signIn(email: $email, password: $password) {
    access refresh user { email lastName isAdmin groups }
  }
}"""
REFRESH = """mutation($token: String!) {
  refresh(refreshToken: $token) { access refresh }
}"""
SIGN_OUT = """mutation($token: String!) { signOut(refreshToken: $token) { ok } }"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def decoded(token):
    """The claims of a JWT, unverified."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def parallel(calls):
    """The results of `calls`, all begun at the same moment."""
    barrier = threading.Barrier(len(calls))

    def begin(call):
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(begin, calls))


class Backend:
    """A running backend, from `with` to its end."""

    def __init__(self, run, directory, **env):
        self.port = free_port()
        begun = time.monotonic()
        clean = {k: v for k, v in os.environ.items() if k != "TEST_CONTROL"}
        self.process = subprocess.Popen(
            [run, "--port", str(self.port), "--dir", directory],
            env={**clean, **env},
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        assert line == "ready\n", f"the backend did not start: {line!r}"
        print(f"     start {time.monotonic() - begun:.1f} s", flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()

    def call(self, method, path, data=None, bearer=None, raw=False):
        """(status, JSON), or (None, None) if the connection broke."""
        headers = {"Content-Type": "application/json"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            content = None if data is None else json.dumps(data)
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            content = response.read()
            return response.status, content if raw else json.loads(content)
        except (http.client.RemoteDisconnected, ConnectionError):
            return None, None
        finally:
            connection.close()

    def control(self, what, data):
        status, body = self.call("POST", f"/test/{what}", data)
        assert status == 200, body
        return body

    def sign_in(self, email, password):
        return self.call("POST", "/api/token/", {"email": email, "password": password})

    def refresh(self, token):
        return self.call("POST", "/api/token/refresh/", {"refresh": token})

    def sign_out(self, token):
        return self.call("POST", "/api/token/blacklist/", {"refresh": token})

    def me(self, access):
        return self.call("GET", "/api/me/", bearer=access)

    def graphql(self, query, bearer=None, **variables):
        data = {"query": query, "variables": variables}
        return self.call("POST", "/graphql", data, bearer)

    def graphql_sign_in(self, email, password):
        return self.graphql(SIGN_IN, email=email, password=password)

    def graphql_refresh(self, token):
        return self.graphql(REFRESH, token=token)

    def graphql_sign_out(self, token):
        return self.graphql(SIGN_OUT, token=token)

    @staticmethod
    def code(body):
        """The error code of a GraphQL answer."""
        return body["errors"][0]["extensions"]["code"]
