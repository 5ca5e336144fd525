"""The REST API: simplejwt's views with this backend's serializers, and the
signed-in user's profile."""

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


class Refresh(TokenViewBase):
    serializer_class = RefreshSerializer

    def post(self, request):
        count("refresh")
        response = super().post(request)
        count("refresh_ok")
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
