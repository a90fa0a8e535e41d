"""Signing in and out, changing and resetting the password: Django's own views behind our pages."""

import re

import pytest

from accounts.models import Preference

PASSWORD = "correct horse battery"


def test_a_person_without_staff_rights_signs_in_and_out(alice, client):
    response = client.post("/accounts/login/", {"username": "alice", "password": PASSWORD})
    assert response["Location"] == "/"
    assert "Sign out" in client.get("/accounts/preferences/").text

    client.post("/accounts/logout/")

    assert client.get("/accounts/preferences/").status_code == 302


def test_one_comes_back_to_the_page_that_asked(alice, client):
    asked = client.get("/accounts/preferences/")["Location"]

    form = client.get(asked)
    assert 'name="next" value="/accounts/preferences/"' in form.text
    response = client.post(asked, {"username": "alice", "password": PASSWORD, "next": "/accounts/preferences/"})

    assert response["Location"] == "/accounts/preferences/"


def test_one_is_not_sent_to_another_site(alice, client):
    response = client.post(
        "/accounts/login/", {"username": "alice", "password": PASSWORD, "next": "https://evil.example/"}
    )

    assert response["Location"] == "/"


def test_a_wrong_password_is_an_error_of_the_form(alice, client):
    response = client.post("/accounts/login/", {"username": "alice", "password": "wrong"})

    assert response.status_code == 200
    assert "Please enter a correct username and password" in response.text


def test_the_admin_does_not_let_in_who_is_not_staff(alice, client):
    response = client.post("/admin/login/", {"username": "alice", "password": PASSWORD})

    assert response.status_code == 200
    assert "staff account" in response.text


def test_the_admin_links_to_the_password_reset(client):
    assert 'href="/accounts/password_reset/"' in client.get("/admin/login/").text


def test_a_forgotten_password_is_replaced_by_mail(alice, client, mailoutbox, settings):
    client.post("/accounts/password_reset/", {"email": alice.email}, headers={"Host": "testserver"})

    (mail,) = mailoutbox
    link = re.search(r"^http\S+$", mail.body, re.MULTILINE)[0]
    assert mail.to == [alice.email]
    assert link.startswith(f"{settings.PUBLIC_URL}/accounts/reset/")
    form = client.get(link.removeprefix(settings.PUBLIC_URL), follow=True)
    wish = {"new_password1": "staple battery horse", "new_password2": "staple battery horse"}
    done = client.post(form.request["PATH_INFO"], wish, follow=True)
    assert "Your new password is saved" in done.text
    alice.refresh_from_db()
    assert alice.check_password("staple battery horse")


@pytest.mark.django_db
def test_an_unknown_address_gets_the_same_answer_and_no_mail(client, mailoutbox):
    response = client.post("/accounts/password_reset/", {"email": "nobody@example.org"}, follow=True)

    assert "Look into your mail" in response.text
    assert mailoutbox == []


@pytest.mark.parametrize(
    ("header", "chosen", "subject"),
    [
        ("en", "de", "Ein neues Passwort für Taskapp"),  # the recipient's, whoever has asked
        ("de", "en", "Choose a new password for Taskapp"),
        ("de", "", "Ein neues Passwort für Taskapp"),  # the request's, where nothing was chosen
        ("", "", "Choose a new password for Taskapp"),
    ],
)
def test_the_mail_is_in_the_language_of_its_recipient(german, alice, client, mailoutbox, header, chosen, subject):
    Preference.objects.create(user=alice, language=chosen)

    client.post("/accounts/password_reset/", {"email": alice.email}, headers={"accept-language": header})

    (mail,) = mailoutbox
    assert mail.subject == subject
    assert ("Wähle es hier:" in mail.body) == (subject != "Choose a new password for Taskapp")


@pytest.mark.parametrize("link", ["/accounts/reset/x/y/", "/accounts/reset/MQ/set-password/"])
@pytest.mark.django_db
def test_a_used_or_invented_link_says_so(client, link):
    response = client.get(link)

    assert response.status_code == 200
    assert "no longer works" in response.text


def test_the_password_can_be_changed(alice, client):
    client.force_login(alice)

    response = client.post(
        "/accounts/password_change/",
        {
            "old_password": PASSWORD,
            "new_password1": "staple battery horse",
            "new_password2": "staple battery horse",
        },
        follow=True,
    )

    assert "Your password is changed" in response.text
    assert client.get("/accounts/preferences/").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/login/",
        "/accounts/password_reset/",
        "/accounts/password_reset/done/",
        "/accounts/reset/done/",
    ],
)
@pytest.mark.django_db
def test_the_pages_are_open_to_strangers(client, path):
    assert client.get(path).status_code == 200


def test_each_field_has_a_label(alice, client):
    client.force_login(alice)
    for path in ["/accounts/login/", "/accounts/password_change/", "/accounts/preferences/"]:
        text = client.get(path).text
        labelled = set(re.findall(r'<label for="(\w+)"', text))

        assert set(re.findall(r'<(?:input|select)[^>]* id="(\w+)"', text)) <= labelled
