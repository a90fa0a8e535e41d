"""Tokens and people as JSON."""

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext
from rest_framework import serializers

from accounts.fields import InstantField, LanguageField, PlainTextField, StrictBooleanField, StringField, TimezoneField
from accounts.models import Preference, Token
from edges.unknown_fields import StrictModelSerializer, StrictSerializer


class TokenSerializer(StrictModelSerializer[Token]):
    """A token without its secret, which nobody can read again."""

    class Meta:
        model = Token
        fields = ["id", "name", "prefix", "created_at", "last_used_at", "expires_at"]
        read_only_fields = fields


class TokenRequestSerializer(StrictSerializer):
    """The credentials that a token is made for, and what it shall be."""

    username = PlainTextField(max_length=150)
    password = StringField(min_length=1, max_length=4096, trim_whitespace=False, write_only=True)
    name = PlainTextField(max_length=100, required=False, allow_blank=True, help_text="What it is for.")
    expires_at = InstantField(required=False, allow_null=True, help_text="In the future; without it, never.")

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError(gettext("This must lie in the future."))
        if value is not None and value.year > 9000:
            raise serializers.ValidationError(gettext("This must lie before the year 9000; leave it out for never."))
        return value


class CreatedTokenSerializer(StrictModelSerializer[Token]):
    """A new token. Its text is no column, so the view hands it over as the context's `text`."""

    token = serializers.SerializerMethodField(help_text="The token itself. It is shown this once.")

    class Meta:
        model = Token
        fields = ["token", "id", "name", "created_at", "expires_at"]
        read_only_fields = fields

    def get_token(self, token: Token) -> str:
        return str(self.context["text"])


class MeSerializer(StrictModelSerializer[Preference]):
    id = serializers.IntegerField(source="user.id", read_only=True)
    username = serializers.CharField(source="user.username", read_only=True)
    email = serializers.CharField(source="user.email", read_only=True)
    first_name = serializers.CharField(source="user.first_name", read_only=True)
    last_name = serializers.CharField(source="user.last_name", read_only=True)
    is_staff = serializers.BooleanField(source="user.is_staff", read_only=True)
    timezone = serializers.CharField(source="zone", read_only=True, help_text="Yours, or the service's.")

    class Meta:
        model = Preference
        fields = [
            "id", "username", "email", "first_name", "last_name", "is_staff", "email_enabled", "timezone", "language",
        ]  # fmt: skip
        read_only_fields = fields


class MeChangeSerializer(StrictSerializer):
    id = serializers.IntegerField(read_only=True)
    username = serializers.CharField(read_only=True)
    email = serializers.CharField(read_only=True)
    is_staff = serializers.BooleanField(read_only=True)
    first_name = PlainTextField(max_length=150, required=False, allow_blank=True)
    last_name = PlainTextField(max_length=150, required=False, allow_blank=True)
    email_enabled = StrictBooleanField(required=False, help_text="Whether reminders are mailed to you.")
    timezone = TimezoneField(required=False, allow_blank=True, help_text="Empty: the service's own.")
    language = LanguageField(
        required=False, allow_blank=True, help_text="A code such as en. Empty: Accept-Language, and English in mails."
    )
