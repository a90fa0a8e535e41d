from importlib import import_module

from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin
from django.core.validators import validate_email

from accounts.validators import validate_address


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        """Let drf-spectacular find its extensions; they cannot be imported before the apps are there.

        And check addresses where they are entered, by form or command: the model that holds them is Django's.
        """
        import_module("accounts.openapi")
        field = apps.get_model("auth", "User")._meta.get_field("email")
        field.validators = [validate_address if each is validate_email else each for each in field.validators]


class AdminSiteConfig(admin.AdminConfig):
    """Django's admin with the sign-in of accounts/admin_site.py; stands for django.contrib.admin."""

    default = False
    default_site = "accounts.admin_site.ThrottledAdminSite"
