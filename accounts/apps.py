from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin import apps as admin


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        """Let drf-spectacular find its extensions; they cannot be imported before the apps are there."""
        import_module("accounts.openapi")


class AdminSiteConfig(admin.AdminConfig):
    """Django's admin with the sign-in of accounts/admin_site.py; stands for django.contrib.admin."""

    default = False
    default_site = "accounts.admin_site.ThrottledAdminSite"
