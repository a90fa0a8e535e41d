"""Tokens and preferences in the admin. Attempts to sign in are the machine's and are not shown."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.http import HttpRequest

from accounts.forms import AddressField, language_choices
from accounts.models import Preference, Token
from languages.choosing import is_choice


@admin.register(Token)
class TokenAdmin(admin.ModelAdmin):
    """Tokens are made by those who use them. Here they are seen and, by deleting, revoked."""

    list_display = ["name", "prefix", "user", "created_at", "last_used_at", "expires_at"]
    list_display_links = ["prefix"]
    list_filter = [("expires_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["name", "prefix", "user__username"]
    search_help_text = "Name, prefix or user"
    fields = ["user", "name", "prefix", "created_at", "last_used_at", "expires_at"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PreferenceInline(admin.StackedInline):
    model = Preference
    can_delete = False
    verbose_name_plural = "preferences"

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        """Where one language is offered there is nothing to choose."""
        return [] if is_choice() else ["language"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "language":
            return forms.ChoiceField(choices=language_choices, required=False, help_text=db_field.help_text)
        return super().formfield_for_dbfield(db_field, request, **kwargs)


admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Django's own, with the person's preferences.

    When somebody signed in, or joined, is nobody's to type. Django's form could not be saved while such a time is one
    that clocks show twice.
    """

    readonly_fields = ["last_login", "date_joined"]

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        """Not in the form that makes a person, which asks for a name and a password alone."""
        return [PreferenceInline] if obj else []

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "email":
            return AddressField(label="Email address", required=False)
        return super().formfield_for_dbfield(db_field, request, **kwargs)
