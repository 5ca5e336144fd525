"""The users that the tests sign in with."""

import base64
import hashlib

from django.contrib.auth.models import Group
from django.db import transaction

from .models import User


def noise(length):
    """Text that looks random, does not compress to less than its entropy of
    six bits a character, and is the same on every run."""
    blocks = (
        hashlib.sha256(b"hallpass test bio %d" % n).digest()
        for n in range(length // 40 + 1)
    )
    return base64.urlsafe_b64encode(b"".join(blocks)).decode()[:length]


ORDINARY = {
    "first_name": "Zoë",
    "last_name": "Žluťoučký 山田",
    "street": "Dlouhá třída 12",
    "city": "Plzeň",
    "country": "CZ",
    "bio": "Ordinary user — nothing to see here.",
}
ADMIN = {
    "first_name": "Ada",
    "last_name": "Admin",
    "is_admin": True,
    "street": "1 Example Street",
    "city": "London",
    "country": "GB",
}
INACTIVE = {"first_name": "Ina", "last_name": "Active", "is_active": False}
# Makes a session larger than one cookie can hold.
BIG = {
    "first_name": "Big",
    "last_name": "Profile",
    "street": "99 Example Road",
    "city": "Springfield",
    "country": "US",
    "bio": noise(6000),
}

# e-mail, password, groups, fields
USERS = [
    ("user@example.com", "hallpass-demo", ["staff"], ORDINARY),
    ("admin@example.com", "hallpass-admin", ["staff", "admins"], ADMIN),
    ("inactive@example.com", "hallpass-inactive", ["staff"], INACTIVE),
    ("big@example.com", "hallpass-big", ["staff"], BIG),
]


@transaction.atomic
def load_users():
    """Creates the users that are missing. Those that exist stay as a test left
    them: a restart of the backend loses nothing."""
    for email, password, groups, fields in USERS:
        if User.objects.filter(email=email).exists():
            continue
        user = User.objects.create_user(email, password, **fields)
        user.groups.set([Group.objects.get_or_create(name=g)[0] for g in groups])
