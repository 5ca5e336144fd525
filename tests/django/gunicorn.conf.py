"""How gunicorn serves the test backend: one process, so that counters and
faults are shared by all requests, and many threads, so that parallel requests
really run in parallel and a few hanging ones do not stop the others."""

import sys

workers = 1
worker_class = "gthread"
threads = 64
# Longer than any test lets a connection idle: no test should fail because a
# pooled connection was closed just as it was reused.
keepalive = 75
# A stop must not wait for a hanging request.
graceful_timeout = 1
loglevel = "warning"
control_socket_disable = True


def post_worker_init(worker):
    """The listening socket is bound and the application loaded."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
