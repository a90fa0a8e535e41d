"""Pages of the admin as a browser saves them: with what stands in their forms, and some of it changed."""

from typing import Any

from django.test import Client


def as_sent(response: Any) -> dict[str, Any]:
    """What a browser sends that saves the page as it was opened."""
    groups = [group.formset for group in response.context["inline_admin_formsets"]]
    return sent_by(
        response.context["adminform"].form, *(each for group in groups for each in [group.management_form, *group])
    )


def sent_by(*forms: Any) -> dict[str, Any]:
    """The same of forms without a page."""
    sent: dict[str, Any] = {}
    for field in (field for form in forms for field in form):
        value, widget = field.value(), field.field.widget
        if hasattr(widget, "widgets"):
            sent |= {f"{field.html_name}_{number}": part for number, part in enumerate(widget.decompress(value))}
        else:
            sent[field.html_name] = value
    return {name: value for name, value in sent.items() if value is not None and value is not False}


def save(admin: Client, path: str, **changes: Any) -> Any:
    """Save the page with some changes; None takes a field away."""
    sent = {**as_sent(admin.get(path)), **changes}
    return admin.post(path, {name: value for name, value in sent.items() if value is not None})


def errors(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200
    return dict(response.context["adminform"].form.errors)
