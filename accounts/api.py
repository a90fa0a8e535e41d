"""Tokens and one's own account over HTTP."""

from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from accounts import services
from accounts.authentication import BearerAuthentication
from accounts.errors import TooManyAttemptsError
from accounts.models import Preference, Token
from accounts.serializers import (
    CreatedTokenSerializer,
    MeChangeSerializer,
    MeSerializer,
    TokenRequestSerializer,
    TokenSerializer,
)
from accounts.sign_in import check_credentials


@extend_schema_view(
    create=extend_schema(
        request=TokenRequestSerializer,
        responses={201: CreatedTokenSerializer},
        auth=[],
        description="Make a token for the person with this name and password. The answer shows it this once.",
    ),
    destroy=extend_schema(description="Revoke one of your tokens."),
)
class TokenViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[Token]
):
    """Your API tokens, without their secrets."""

    queryset = Token.objects.none()
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[Token]:
        return Token.objects.owned_by(self.request.user)

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return TokenRequestSerializer if self.action == "create" else TokenSerializer

    def get_authenticators(self) -> list[BaseAuthentication]:
        """None for a POST: whoever comes for a token may still be sending one that has expired."""
        return [] if self._asks_for_token() else super().get_authenticators()

    def get_permissions(self) -> Any:
        return [AllowAny()] if self._asks_for_token() else super().get_permissions()

    def get_authenticate_header(self, request: Request) -> str:
        """The challenge without which DRF would turn 401 into 403."""
        return BearerAuthentication.keyword

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        user = owner_of(request, username=asked.pop("username"), password=asked.pop("password"))
        token, text = services.create_token(user, **asked)
        return Response(
            CreatedTokenSerializer(token, context={"text": text}).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": request.build_absolute_uri(f"{token.pk}/"), "Cache-Control": "no-store"},
        )

    def perform_destroy(self, instance: Token) -> None:
        services.revoke_token(instance)

    def _asks_for_token(self) -> bool:
        """By the method, since DRF sets the action later. Without a request it is the schema that is made."""
        return self.request is not None and self.request.method == "POST"


def owner_of(request: Request, *, username: str, password: str) -> User:
    """The person whose credentials these are. An error does not say whether name or password is wrong."""
    try:
        user = check_credentials(request._request, username=username, password=password)
    except TooManyAttemptsError as error:
        raise Throttled(wait=error.retry_after, detail=str(error)) from error
    if user is None:
        raise AuthenticationFailed(gettext("There is no active user with this username and password."))
    return user


class MeView(APIView):
    """The person who asks.

    They change their name and preferences. The e-mail address is the administrator's to change, since
    whatever is addressed to it is shown to them.
    """

    @extend_schema(operation_id="me_retrieve", responses=MeSerializer)
    def get(self, request: Request) -> Response:
        return Response(MeSerializer(Preference.of(cast(User, request.user))).data)

    @extend_schema(operation_id="me_partial_update", request=MeChangeSerializer, responses=MeSerializer)
    def patch(self, request: Request) -> Response:
        serializer = MeChangeSerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        user = cast(User, request.user)
        services.update_profile(user, **serializer.validated_data)
        user.refresh_from_db()
        return Response(MeSerializer(Preference.of(user)).data)
