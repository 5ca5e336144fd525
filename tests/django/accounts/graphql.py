"""The GraphQL twin of the REST API. It answers 200 with an error code where
REST answers with a status; the tokens underneath are the same."""

from contextlib import contextmanager

import strawberry
from graphql import GraphQLError
from rest_framework.exceptions import (
    AuthenticationFailed,
    NotAuthenticated,
    ValidationError,
)
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from strawberry.django.views import GraphQLView
from strawberry.types import Info

from .control import count
from .tokens import RefreshSerializer, SignInSerializer, SignOutSerializer

INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
TOKEN_NOT_VALID = "TOKEN_NOT_VALID"
NOT_AUTHENTICATED = "NOT_AUTHENTICATED"
INVALID_INPUT = "INVALID_INPUT"


@contextmanager
def refusal(code):
    """Turns what REST would answer with 400 or 401 into a GraphQL error:
    `code`, unless the caller sent nothing to judge."""
    try:
        yield
    except TokenError as error:
        raise graphql_error(str(error), code)
    except ValidationError:
        raise graphql_error("A required value is blank", INVALID_INPUT)
    except NotAuthenticated as error:
        raise graphql_error(str(error.detail), NOT_AUTHENTICATED)
    except AuthenticationFailed as error:
        detail = error.detail
        message = detail["detail"] if isinstance(detail, dict) else detail
        raise graphql_error(str(message), code)


def graphql_error(message, code):
    return GraphQLError(message, extensions={"code": code})


@strawberry.type
class ContactAddress:
    street: str
    city: str
    country: str


@strawberry.type
class User:
    id: strawberry.ID
    email: str
    name: str
    first_name: str
    last_name: str
    is_admin: bool
    groups: list[str]
    contact_address: ContactAddress
    bio: str

    @classmethod
    def of(cls, user):
        return cls(
            id=strawberry.ID(str(user.pk)),
            email=user.email,
            name=user.name,
            first_name=user.first_name,
            last_name=user.last_name,
            is_admin=user.is_admin,
            groups=user.group_names,
            contact_address=ContactAddress(
                street=user.street, city=user.city, country=user.country
            ),
            bio=user.bio,
        )


@strawberry.type
class SignInResult:
    access: str
    refresh: str
    user: User


@strawberry.type
class RefreshResult:
    access: str
    refresh: str


@strawberry.type
class SignOutResult:
    ok: bool


@strawberry.type
class Query:
    @strawberry.field
    def me(self, info: Info) -> User:
        count("me")
        with refusal(TOKEN_NOT_VALID):
            found = JWTAuthentication().authenticate(info.context.request)
            if found is None:
                raise NotAuthenticated()
        return User.of(found[0])


@strawberry.type
class Mutation:
    @strawberry.mutation
    def sign_in(self, email: str, password: str) -> SignInResult:
        count("sign_in")
        with refusal(INVALID_CREDENTIALS):
            serializer = SignInSerializer(data={"email": email, "password": password})
            serializer.is_valid(raise_exception=True)
        pair = serializer.validated_data
        return SignInResult(
            access=pair["access"],
            refresh=pair["refresh"],
            user=User.of(serializer.user),
        )

    @strawberry.mutation
    def refresh(self, refresh_token: str) -> RefreshResult:
        count("refresh")
        with refusal(TOKEN_NOT_VALID):
            serializer = RefreshSerializer(data={"refresh": refresh_token})
            serializer.is_valid(raise_exception=True)
        count("refresh_ok")
        return RefreshResult(**serializer.validated_data)

    @strawberry.mutation
    def sign_out(self, refresh_token: str) -> SignOutResult:
        count("blacklist")
        with refusal(TOKEN_NOT_VALID):
            serializer = SignOutSerializer(data={"refresh": refresh_token})
            serializer.is_valid(raise_exception=True)
        return SignOutResult(ok=True)


class Schema(strawberry.Schema):
    def process_errors(self, errors, execution_context=None):
        """Logs only what is a fault of this backend, not its refusals."""
        faults = [e for e in errors if "code" not in (e.extensions or {})]
        super().process_errors(faults, execution_context)


graphql_view = GraphQLView.as_view(
    schema=Schema(query=Query, mutation=Mutation),
    graphql_ide=None,
    allow_queries_via_get=False,
)
