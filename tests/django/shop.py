"""A Django app behind the proxy: knows its users by a header, and nothing of Hallpass.

Why: `RemoteUserMiddleware` is how Django apps have taken a user from a proxy
for as long as there are proxies. Run by `tests/django/run --shop`.
"""

import os

from django.conf import settings

settings.configure(
    SECRET_KEY="of this test only, and worth nothing at all",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["SHOP_DB"],
        }
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        f"{__name__}.ProxyUserMiddleware",
    ],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
)

import django  # noqa: E402

django.setup()

from django.contrib.auth.middleware import RemoteUserMiddleware  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

LIVE = """<!doctype html><meta charset=utf-8><title>Shop</title>
<p id=user>%s<p id=socket>none<p id=events>none
<script>
const show = (id, text) => { document.getElementById(id).textContent = text };
const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
let heard = 0;
socket.onmessage = message => {
  heard += 1;
  if (heard === 1) { socket.send('hello'); } else { show('socket', 'echo ' + message.data); }
};
socket.onclose = event => show('socket', 'closed ' + event.code);
const events = new EventSource('/events');
events.onmessage = message => show('events', 'number ' + message.data);
events.onerror = () => show('events', 'over');
</script>"""


class ProxyUserMiddleware(RemoteUserMiddleware):
    header = "HTTP_REMOTE_USER"


def who(request):
    return JsonResponse(
        {
            "user": request.user.get_username(),
            "known": request.user.is_authenticated,
            "email": request.headers.get("Remote-Email"),
            "cookies": sorted(request.COOKIES),
        }
    )


def live(request):
    return HttpResponse(LIVE % request.user.get_username())


urlpatterns = [path("live", live), path("", who)]

call_command("migrate", verbosity=0)
application = get_wsgi_application()
