"""A link in each mail stops the mail, without signing in."""

import pytest
from django.core.signing import Signer
from django.test import Client

from accounts.models import Preference
from accounts.unsubscribe import unsubscribe_url


@pytest.fixture
def path(alice, settings):
    url = unsubscribe_url(alice.pk)
    assert url.startswith(f"{settings.PUBLIC_URL}/unsubscribe/")
    return url.removeprefix(settings.PUBLIC_URL)


def test_a_get_changes_nothing_since_scanners_follow_links(alice, client, path):
    response = client.get(path)

    assert response.status_code == 200
    assert "Stop these mails" in response.text
    assert Preference.of(alice).email_enabled


def test_one_click_from_a_mail_program_unsubscribes(alice, path):
    """RFC 8058: a POST without cookies, and no redirect in the answer."""
    program = Client(enforce_csrf_checks=True)

    response = program.post(path, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")

    assert response.status_code == 200
    assert not Preference.of(alice).email_enabled


def test_one_click_may_come_as_multipart(alice, path):
    Client(enforce_csrf_checks=True).post(path, {"List-Unsubscribe": "One-Click"})

    assert not Preference.of(alice).email_enabled


def test_unsubscribing_twice_is_once(alice, client, path):
    client.post(path)

    assert client.post(path).status_code == 200
    assert not Preference.of(alice).email_enabled


def test_the_page_takes_it_back(alice, client, path):
    client.post(path, {"unsubscribe": ""})
    assert "Send them again" in client.get(path).text

    response = client.post(path, {"subscribe": ""})

    assert "Stop these mails" in response.text
    assert Preference.of(alice).email_enabled


def test_it_touches_nobody_else_and_nothing_else(alice, bob, client, path):
    Preference.objects.create(user=alice, timezone="Europe/Berlin")

    client.post(path)

    assert Preference.of(bob).email_enabled
    assert Preference.of(alice).timezone == "Europe/Berlin"


def test_a_link_that_we_did_not_sign_is_404(alice, bob, client, path):
    forged = path.replace(f"/{alice.pk}:", f"/{bob.pk}:")
    foreign = f"/unsubscribe/{Signer(salt='something else').sign(str(alice.pk))}/"
    odd = ["/unsubscribe/1/", "/unsubscribe/:/", "/unsubscribe/é:é/", "/unsubscribe/%00/", f"{path[:-1]}x/"]

    assert forged != path
    for link in [forged, foreign, *odd]:
        assert client.get(link).status_code == 404, link
        assert client.post(link).status_code == 404, link
    assert not Preference.objects.exists()


def test_the_link_of_somebody_who_has_gone_is_404(alice, client, path):
    alice.delete()

    assert client.post(path).status_code == 404
