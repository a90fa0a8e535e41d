"""The front page and the pages for what went wrong."""

import pytest
from django.template.loader import render_to_string
from django.test import Client


@pytest.mark.django_db
def test_a_stranger_learns_what_this_is_and_how_to_come_in(client):
    response = client.get("/")

    assert response.status_code == 200
    assert "Tasks, and reminders that arrive" in response.text
    for path in ["/accounts/login/", "/api/v1/", "/api/v1/docs/"]:
        assert f'href="{path}"' in response.text
    assert 'href="/admin/"' not in response.text


def test_a_person_sees_their_own_ways_in(alice, client):
    client.force_login(alice)

    text = client.get("/").text

    assert 'href="/outbox/"' in text
    assert 'href="/accounts/preferences/"' in text
    assert 'href="/admin/"' not in text


def test_staff_see_the_admin(staff, client):
    client.force_login(staff)

    assert 'href="/admin/"' in client.get("/").text


@pytest.mark.django_db
def test_it_says_how_each_part_does(client):
    response = client.get("/")

    assert {"database", "broker"} <= {part.name for part in response.context["parts"]}
    assert ("not healthy" in response.text) == (not response.context["healthy"])


@pytest.mark.django_db
def test_nothing_comes_from_elsewhere_and_nothing_runs(client):
    text = client.get("/").text

    assert "<script" not in text
    assert "//" not in text.replace("<!doctype html>", "")


@pytest.mark.django_db
def test_it_is_for_reading(client):
    assert client.post("/").status_code == 405


@pytest.mark.django_db
def test_an_unknown_page_is_404_in_our_dress(client):
    response = client.get("/no/such/page/")

    assert response.status_code == 404
    assert "There is no such page" in response.text


def test_while_the_database_is_away_a_page_says_so(wire, alice):
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    wire.break_after(1, is_carried_out=False)

    response = client.get("/")

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Away for a moment" in response.text


def test_while_the_database_is_away_the_api_says_so(wire, alice, api):
    client = api(alice)
    client.raise_request_exception = False
    wire.break_after(1, is_carried_out=False)

    response = client.get("/api/v1/tasks/")

    assert (response.status_code, response["Content-Type"]) == (503, "application/problem+json")
    assert response["Retry-After"] == "5"
    assert "The database does not answer." in response.json()["detail"]


def test_the_page_for_a_defect_needs_nothing():
    assert "Something went wrong here" in render_to_string("500.html")


def test_a_form_without_its_token_is_explained(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    response = client.post("/accounts/logout/")

    assert response.status_code == 403
    assert "This form has expired" in response.text


@pytest.mark.django_db
def test_a_stranger_can_sign_in_from_the_browsable_api(client):
    response = client.get("/api/v1/tokens/", headers={"Accept": "text/html"})

    assert response.status_code == 401
    assert 'href="/accounts/login/?next=/api/v1/tokens/"' in response.text


def test_the_browsable_api_shows_who_one_is(alice, client):
    client.force_login(alice)

    response = client.get("/api/v1/me/", headers={"Accept": "text/html"})

    assert response.status_code == 200
    assert 'href="/accounts/preferences/">alice</a>' in response.text


def test_the_browsable_api_offers_the_fields_of_a_new_token(alice, client):
    client.force_login(alice)

    assert "&quot;password&quot;" in client.get("/api/v1/tokens/", headers={"Accept": "text/html"}).text
