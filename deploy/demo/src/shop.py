"""An app that knows nothing of Hallpass: shows the headers of each request.

Why: this is what an app behind the satellite's reverse proxy or an edge gets, whatever it is written in.

Without an argument it ends with its parent and prints its port. `shop.py ADDRESS:PORT` serves there, as in a container.
TITLE in the environment is the page's. With `Accept: application/json` it answers with JSON, for scripts.
"""
import html
import http.server
import json
import os
import signal
import sys
import threading

TITLE = os.environ.get("TITLE", "Shop")

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;width:100%}td{border-bottom:1px solid #8884;padding:.35rem .5rem;overflow-wrap:anywhere}
tr.told td{background:#0b6b5722;font-weight:600}td:first-child{white-space:nowrap}code{font-size:.95em}"""


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.skip_body()
        if self.path == "/healthz":
            self.answer("text/plain", "ok")
        elif "application/json" in self.headers.get("Accept", ""):
            heard = {"method": self.command, "path": self.path, "headers": self.headers.items()}
            self.answer("application/json", json.dumps(heard))
        else:
            self.answer("text/html; charset=utf-8", self.page())

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def skip_body(self):
        # What is not read would be taken for the next request.
        if "Transfer-Encoding" in self.headers:
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size + 2)
            while self.rfile.readline().strip():
                pass
        else:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def page(self):
        rows = "".join(
            '<tr class="%s"><td><code>%s</code><td>%s'
            % (
                "told" if name.lower().startswith(("remote-", "authorization")) else "",
                html.escape(name),
                html.escape(value),
            )
            for name, value in self.headers.items()
        )
        user = self.headers.get("Remote-User")
        who = "user " + html.escape(user) if user else "nobody"
        return (
            "<!doctype html><meta charset=utf-8><title>%s</title><style>%s</style><h1>Hello, %s</h1>"
            "<p>This is a plain Python app. It has no sign-in of its own: it was sent these headers for <code>%s</code>."
            " Your session’s cookie is not among them.<table>%s</table>"
            % (html.escape(TITLE), STYLE, who, html.escape(self.path), rows)
        )

    def answer(self, kind, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


if len(sys.argv) > 1:
    address, _, port = sys.argv[1].rpartition(":")
    server = http.server.ThreadingHTTPServer((address, int(port)), Shop)
    # The first process of a container is not ended by a signal that it has not asked for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
else:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=end_with_parent, daemon=True).start()
    print(server.server_address[1], flush=True)
server.serve_forever()
