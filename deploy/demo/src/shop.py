"""An app that knows nothing of Hallpass: shows the headers of each request.

Why: this is what an app behind the satellite's reverse proxy gets, whatever it is written in.
"""
import html
import http.server
import os
import sys
import threading

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;width:100%}td{border-bottom:1px solid #8884;padding:.35rem .5rem;overflow-wrap:anywhere}
tr.told td{background:#0b6b5722;font-weight:600}td:first-child{white-space:nowrap}code{font-size:.95em}"""


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
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
        page = (
            "<!doctype html><meta charset=utf-8><title>Shop</title><style>%s</style><h1>Hello, %s</h1>"
            "<p>This is a plain Python app. It has no sign-in of its own: it was sent these headers for <code>%s</code>."
            " Your session’s cookie is not among them.<table>%s</table>"
            % (STYLE, who, html.escape(self.path), rows)
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
threading.Thread(target=end_with_parent, daemon=True).start()
print(server.server_address[1], flush=True)
server.serve_forever()
