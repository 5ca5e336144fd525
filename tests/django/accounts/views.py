"""The REST API: simplejwt's views with this backend's serializers, and the
signed-in user's profile."""

from django.conf import settings
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenViewBase

from .control import count
from .profile import ProfileSerializer
from .tokens import RefreshSerializer, SignInSerializer, SignOutSerializer


class SignIn(TokenViewBase):
    serializer_class = SignInSerializer

    def post(self, request):
        count("sign_in")
        return super().post(request)


# With IDEMPOTENT=1: what was answered to whom, so that a repeated request is
# answered the same and spends nothing.
_answered = {}


class Refresh(TokenViewBase):
    serializer_class = RefreshSerializer

    def post(self, request):
        count("refresh")
        key = request.headers.get("Idempotency-Key")
        if settings.IDEMPOTENT and key in _answered:
            return Response(_answered[key])
        response = super().post(request)
        count("refresh_ok")
        _answered[key] = response.data
        return response


class SignOut(TokenViewBase):
    serializer_class = SignOutSerializer

    def post(self, request):
        count("blacklist")
        return super().post(request)


class Me(APIView):
    def initial(self, request):
        count("me")  # before the token is looked at
        super().initial(request)

    def get(self, request):
        return Response(ProfileSerializer(request.user).data)
