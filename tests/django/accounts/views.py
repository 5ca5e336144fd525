"""The REST API: simplejwt's views with this backend's serializers, and the
signed-in user's profile."""

from django.conf import settings
from django.db import transaction
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenViewBase

from .control import count
from .models import Answered
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
        key = request.headers.get("Idempotency-Key")
        if not settings.IDEMPOTENT or not key:
            response = super().post(request)
            count("refresh_ok")
            return response
        # The token is spent and its answer kept, or neither: a backend that
        # dies in between has lost nothing.
        with transaction.atomic():
            known = Answered.objects.filter(key=key).first()
            if known:
                return Response(known.data)
            response = super().post(request)
            Answered.objects.create(key=key, data=response.data)
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
