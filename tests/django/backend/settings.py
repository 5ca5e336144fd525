"""Settings of the test backend. They are those of an ordinary Django API with
simplejwt, strict about refresh tokens: each one works once."""

import os
import tempfile
from datetime import timedelta
from pathlib import Path


def seconds(name, default):
    return timedelta(seconds=float(os.environ.get(name) or default))


# In a container a secret of its own. The other one is none: it signs tokens for
# made-up users on 127.0.0.1.
SECRET_FILE = os.environ.get("DJANGO_SECRET_FILE")
SECRET_KEY = (
    Path(SECRET_FILE).read_text().strip()
    if SECRET_FILE
    else "test-only-signing-key-of-the-hallpass-test-backend"
)
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "UTC"

# Whether a refresh with a known Idempotency-Key is answered as before.
IDEMPOTENT = os.environ.get("IDEMPOTENT") == "1"

# Whether /test/ exists (see accounts/control.py).
TEST_CONTROL = os.environ.get("TEST_CONTROL") == "1"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "rest_framework",
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
    "accounts",
]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
if TEST_CONTROL:
    MIDDLEWARE.append("accounts.control.FaultMiddleware")
ROOT_URLCONF = "backend.urls"
WSGI_APPLICATION = "backend.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if os.environ.get("FAST_PASSWORDS") == "1":
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DATABASE_FILE = os.environ.get("DJANGO_DB") or str(
    Path(tempfile.gettempdir()) / "hallpass-test-backend.sqlite3"
)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATABASE_FILE,
        # Each server thread keeps its connection.
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # Parallel writers wait for each other instead of failing. A
            # transaction takes the write lock as it begins: what it has read
            # is still true when it writes.
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication"
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": seconds("ACCESS_SECONDS", 300),
    "REFRESH_TOKEN_LIFETIME": seconds("REFRESH_SECONDS", 86400),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "ERROR"},
    # Without the 4xx answers, which tests provoke on purpose.
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "ERROR", "propagate": False}
    },
}
