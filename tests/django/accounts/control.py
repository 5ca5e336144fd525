"""What lets a test look into the backend and disturb it: counters of calls,
changes of a user, and faults. The addresses under /test/ exist only when
TEST_CONTROL=1. All state is in the one server process."""

import json
import socket
import threading
from collections import Counter

from django.contrib.auth.hashers import make_password
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from .models import User
from .profile import ProfileSerializer

COUNTED = ["sign_in", "refresh", "refresh_ok", "blacklist", "me", "faults"]
MODES = ["none", "500", "hang", "close"]

_lock = threading.Lock()
_counts = Counter()


def count(what):
    with _lock:
        _counts[what] += 1


class Refused(Exception):
    """A request under /test/ that makes no sense: answered with 400."""


def body(request, allowed):
    """The JSON object sent, strictly: a misspelt key must not pass unseen."""
    try:
        data = json.loads(request.body)
    except ValueError:
        raise Refused("not JSON")
    if not isinstance(data, dict):
        raise Refused("not a JSON object")
    unknown = sorted(set(data) - set(allowed))
    if unknown:
        raise Refused(f"unknown keys: {unknown}")
    return data


@require_GET
def counters(request):
    with _lock:
        return JsonResponse({name: _counts[name] for name in COUNTED})


@require_POST
def reset_counters(request):
    with _lock:
        _counts.clear()
    return JsonResponse({"ok": True})


@require_POST
def change_user(request):
    """Changes the named fields of one user and answers with the user."""
    data = body(request, ["email", "is_active", "is_admin", "password"])
    user = User.objects.filter(email=data.get("email")).first()
    if user is None:
        return JsonResponse({"error": "no such user"}, status=404)
    changed = []
    for field in ["is_active", "is_admin"]:
        if field in data:
            setattr(user, field, bool(data[field]))
            changed.append(field)
    if "password" in data:
        user.set_password(data["password"])
        changed.append("password")
    user.save(update_fields=changed)
    return JsonResponse({**ProfileSerializer(user).data, "isActive": user.is_active})


@require_POST
def create_users(request):
    """Creates `count` users: storm-0@example.com and so on, all with the one
    `password`, admins with `is_admin`."""
    data = body(request, ["count", "password", "is_admin"])
    is_admin = bool(data.get("is_admin"))
    hashed = make_password(data["password"])
    User.objects.bulk_create(
        User(
            email=f"storm-{n}@example.com",
            password=hashed,
            first_name="Storm",
            last_name=str(n),
            is_admin=is_admin,
        )
        for n in range(data["count"])
    )
    return JsonResponse({"ok": True})


class Fault:
    """What to do to requests for `paths` (none named: to all but /test/ and
    /healthz), `times` times (None: until changed).

    The request waits `seconds` first. Then "hang" lets it go on, "500" answers
    with 500, and "close" closes the connection without an answer. With `after`
    the backend does its work before all that: only its answer is lost.
    """

    def __init__(self, mode="none", seconds=None, paths=None, times=None, after=False):
        if mode not in MODES:
            raise Refused(f"mode is none of {MODES}")
        self.mode = mode
        self.seconds = (30 if mode == "hang" else 0) if seconds is None else seconds
        self.paths = paths
        self.times = times
        self.after = after
        # Set when another fault takes this one's place: nobody waits on.
        self.over = threading.Event()

    def strikes(self, path):
        """Whether this request is hit. Called under the lock."""
        if self.mode == "none" or self.times == 0:
            return False
        if self.paths is None:
            hit = path != "/healthz"
        else:
            hit = path in self.paths
        if hit and self.times is not None:
            self.times -= 1
        return hit

    def apply(self, request, answer):
        """`answer()` does the backend's work and gives its response."""
        early = answer() if self.after else None
        self.over.wait(self.seconds)
        if self.mode == "500":
            return JsonResponse({"detail": "Fault on purpose."}, status=500)
        if self.mode == "close":
            request.META["gunicorn.socket"].shutdown(socket.SHUT_RDWR)
            return HttpResponse()  # goes nowhere
        return early or answer()


_fault = Fault()


@require_POST
def set_fault(request):
    global _fault
    new = Fault(**body(request, ["mode", "seconds", "paths", "times", "after"]))
    with _lock:
        old, _fault = _fault, new
    old.over.set()
    return JsonResponse({"mode": new.mode})


class FaultMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path.startswith("/test/"):
            return self.get_response(request)
        with _lock:
            fault = _fault
            struck = fault.strikes(request.path)
            _counts["faults"] += struck
        if not struck:
            return self.get_response(request)
        return fault.apply(request, lambda: self.get_response(request))

    def process_exception(self, request, error):
        if isinstance(error, Refused):
            return JsonResponse({"error": str(error)}, status=400)
        return None
