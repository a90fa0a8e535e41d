"""API tokens, what a person prefers, and the attempts to sign in."""

from datetime import timedelta
from functools import cache
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.postgres.fields import ArrayField
from django.db import connections, models
from django.db.models.functions import Now

from accounts.validators import validate_language, validate_no_control_characters, validate_timezone


class TokenQuerySet(models.QuerySet["Token"]):
    def owned_by(self, user: User | AnonymousUser) -> Self:
        return self.filter(user_id=user.pk)

    def usable_of(self, prefix: str) -> "Token | None":
        """The token with this prefix and its user, if it has not expired and they have not been deactivated.

        Each request of the API begins with this. The ORM takes several times as long for it, nearly all of that to
        put the statement together.
        """
        with connections[self.db].cursor() as cursor:
            cursor.execute(usable_token_sql(), {"prefix": prefix, "lately": Token.USE_NOTED_EVERY.total_seconds()})
            row = cursor.fetchone()
        if row is None:
            return None
        names = column_names(Token)
        token = Token.from_db(self.db, names, row[: len(names)])
        token.user = User.from_db(self.db, column_names(User), row[len(names) : -2])
        token.was_used_lately, token.language = row[-2:]
        return token


@cache
def usable_token_sql() -> str:
    """Indexes: token_unique_prefix, and the preference's unique one of the user."""
    token = ", ".join(f"token.{name}" for name in column_names(Token))
    person = ", ".join(f"person.{name}" for name in column_names(User))
    return f"""
        SELECT {token}, {person},
               coalesce(token.last_used_at > clock_timestamp() - make_interval(secs => %(lately)s), false),
               coalesce(preference.language, '')
        FROM accounts_token AS token JOIN auth_user AS person ON person.id = token.user_id
        LEFT JOIN accounts_preference AS preference ON preference.user_id = person.id
        WHERE token.prefix = %(prefix)s AND person.is_active
          AND (token.expires_at IS NULL OR token.expires_at > clock_timestamp())
    """  # noqa: S608 (the names of our own columns)


@cache
def column_names(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


class Token(models.Model):
    """A key to the API in the text form tk_<prefix>_<secret>.

    The secret is 256 random bits, shown once; only its SHA-256 is kept, since random bits need no slow hash.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(
        max_length=100, blank=True, default="", db_default="", validators=[validate_no_control_characters],
        help_text="What the token is for, in your own words.",
    )  # fmt: skip
    prefix = models.CharField(max_length=8, editable=False, help_text="What the token is looked up by.")
    digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="To the minute.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")

    USE_NOTED_EVERY = timedelta(minutes=1)
    was_used_lately = False
    """Whether `last_used_at` is younger than that, for a token that was found by its prefix."""
    language = ""
    """What its user has chosen, likewise."""

    objects = TokenQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            # TokenQuerySet.usable_of.
            models.UniqueConstraint(fields=["prefix"], name="token_unique_prefix"),
            models.CheckConstraint(condition=models.Q(prefix__regex="^[A-Za-z0-9]{8}$"), name="token_prefix_form"),
            models.CheckConstraint(condition=models.Q(digest__regex="^[0-9a-f]{64}$"), name="token_digest_form"),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'token'} (tk_{self.prefix}_…)"


class Preference(models.Model):
    """How a person wants to be told. Somebody who never chose has no row; read through `of` and `zone_of`."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="preference")
    email_enabled = models.BooleanField(
        "reminders by e-mail", default=True, db_default=True, help_text="Off: no reminder is sent there."
    )
    timezone = models.CharField(
        "time zone", max_length=64, blank=True, default="", db_default="", validators=[validate_timezone],
        help_text="Empty: the service's own.",
    )  # fmt: skip
    language = models.CharField(
        max_length=20, blank=True, default="", db_default="", validators=[validate_language],
        help_text="A language's code. Empty: what the browser asks for, and English in mails.",
    )  # fmt: skip

    def __str__(self) -> str:
        return f"preferences of {self.user}"

    @classmethod
    def of(cls, user: User) -> "Preference":
        """What the person chose, else the defaults in an unsaved row."""
        return cls.objects.select_related("user").filter(user=user).first() or cls(user=user)

    @classmethod
    def zone_of(cls, user: User) -> str:
        """The name of the time zone that the person lives in, as far as is known."""
        return (cls.objects.filter(user=user).first() or cls()).zone

    @classmethod
    def language_of(cls, user: User) -> str:
        """The language that the person has chosen; empty if none. One column, for each page asks for it."""
        return cls.objects.filter(user=user).values_list("language", flat=True).first() or ""

    @property
    def zone(self) -> str:
        return self.timezone or str(settings.TIME_ZONE)


class LoginThrottle(models.Model):
    """When a name was last tried from an address without success. See accounts/throttle.py."""

    key = models.CharField(max_length=64, primary_key=True)
    attempted_at = ArrayField(models.DateTimeField(), help_text="The latest attempts, the oldest first.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(attempted_at__len__gt=0), name="login_throttle_has_attempts"),
        ]

    def __str__(self) -> str:
        return self.key
