"""The application that gunicorn loads."""

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

application = get_wsgi_application()
# Load every view now, so that "ready" is true and no first request is slow.
assert get_resolver().url_patterns
