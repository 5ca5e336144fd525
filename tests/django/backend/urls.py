"""Every address of the test backend: the REST API, its GraphQL twin, a health
check, and /test/ when TEST_CONTROL=1."""

from django.conf import settings
from django.http import HttpResponse
from django.urls import path

from accounts import control, views
from accounts.graphql import graphql_view


def healthz(request):
    return HttpResponse("ok", content_type="text/plain")


urlpatterns = [
    path("healthz", healthz),
    path("api/token/", views.SignIn.as_view()),
    path("api/token/refresh/", views.Refresh.as_view()),
    path("api/token/blacklist/", views.SignOut.as_view()),
    path("api/me/", views.Me.as_view()),
    path("graphql", graphql_view),
]

if settings.TEST_CONTROL:
    urlpatterns += [
        path("test/counters", control.counters),
        path("test/counters/reset", control.reset_counters),
        path("test/user", control.change_user),
        path("test/users", control.create_users),
        path("test/fault", control.set_fault),
    ]
