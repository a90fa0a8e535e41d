"""The admin's pages of rows that people read and the machine writes."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from work.large_tables import LargeTableAdmin


class MachineOwned(LargeTableAdmin):
    """Rows that people read and the machine writes."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Opening shows it read-only; the list with its actions is for those who may change."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not on their own pages; along with the user whose tasks they are about, yes."""
        on_own_page = f"{self.opts.app_label}_{self.opts.model_name}_" in str(request.resolver_match)
        return not on_own_page and super().has_delete_permission(request, obj)

    @admin.display(description="History")
    def passport(self, row: Any) -> SafeString:
        """Every step with its moment and facts."""
        return format_html(
            "<ol>{}</ol>",
            format_html_join(
                "",
                "<li>{} <strong>{}</strong> {}</li>",
                (
                    (
                        entry["at"][:19].replace("T", " "),
                        entry["step"],
                        ", ".join(f"{k}: {v}" for k, v in entry.items() if k not in {"at", "step"}),
                    )
                    for entry in row.history
                ),
            ),
        )
