# The demo's backend: the Django project of tests/django, as an image.
#
# Why not yours: there must be accounts to sign in with before yours is there. It is an ordinary API with simplejwt, which
# gives each refresh token away once. Built from the folder tests/django.
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE}

COPY requirements.txt /backend/
# Beside the system's packages, so that it works with a distribution's Python, too.
RUN python3 -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
    --target /packages --requirement /backend/requirements.txt \
    && mkdir -p /var/lib/backend && chown 65532:65532 /var/lib/backend

COPY gunicorn.conf.py prepare.py /backend/
COPY backend /backend/backend/
COPY accounts /backend/accounts/

ENV PYTHONPATH=/packages PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=backend.settings DJANGO_DB=/var/lib/backend/db.sqlite3
WORKDIR /backend
USER 65532:65532
EXPOSE 8000
# The tables and the accounts first; those that are there already stay as they are.
CMD ["sh", "-c", "python3 prepare.py && exec python3 -m gunicorn --config gunicorn.conf.py --bind 0.0.0.0:8000 backend.wsgi:application"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s \
    CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
