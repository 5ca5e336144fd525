"""The tokens of the test backend: simplejwt's, with what this backend asks of
them beyond the stock ones. REST and GraphQL both use these serializers."""

from django.db import transaction
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt import serializers as stock
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken as StockRefreshToken

from .models import User
from .profile import ProfileSerializer


class RefreshToken(StockRefreshToken):
    @property
    def access_token(self):
        """An access token about the user as the database has it now, not as it
        was at sign-in."""
        access = super().access_token
        user = User.objects.get(pk=self["user_id"])
        access["email"] = user.email
        access["name"] = user.name
        access["firstName"] = user.first_name
        access["lastName"] = user.last_name
        access["isAdmin"] = user.is_admin
        access["groups"] = user.group_names
        return access

    def blacklist(self):
        """Only one caller can spend a token. The stock method is content when
        another request was faster, so that two parallel refreshes both get
        tokens; here the table's unique constraint decides."""
        row, created = super().blacklist()
        if not created:
            raise TokenError("Token is blacklisted")
        return row, created


class SignInSerializer(stock.TokenObtainPairSerializer):
    token_class = RefreshToken

    def validate(self, attrs):
        data = super().validate(attrs)
        data["user"] = ProfileSerializer(self.user).data
        return data


class RefreshSerializer(stock.TokenRefreshSerializer):
    token_class = RefreshToken

    def validate(self, attrs):
        # One transaction: the old token is spent and the new one known, or
        # neither.
        with transaction.atomic():
            try:
                return super().validate(attrs)
            except User.DoesNotExist:
                message = self.error_messages["no_active_account"]
                raise AuthenticationFailed(message, "no_active_account")


class SignOutSerializer(stock.TokenBlacklistSerializer):
    token_class = RefreshToken
