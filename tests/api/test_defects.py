"""What breaks on our side is a problem for a client of the API and a page for a person."""

import pytest
from django.test import Client, override_settings
from django.urls import path

from config import urls


def broken(request):
    raise RuntimeError("secret detail")


urlpatterns = [path("api/broken/", broken), path("broken/", broken), *urls.urlpatterns]
handler400, handler403, handler404, handler500 = urls.handler400, urls.handler403, urls.handler404, urls.handler500


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@override_settings(ROOT_URLCONF=__name__)
def test_a_defect_in_the_api_is_a_problem_that_tells_nothing(client):
    response = client.get("/api/broken/")

    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 500
    assert "secret" not in response.text


@override_settings(ROOT_URLCONF=__name__)
def test_a_defect_in_a_page_is_a_page_that_tells_nothing(client):
    response = client.get("/broken/")

    assert response.status_code == 500
    assert response["Content-Type"].startswith("text/html")
    assert "secret" not in response.text


def test_a_host_that_is_not_ours_is_400(client):
    api, page = (client.get(path, headers={"Host": "evil.example"}) for path in ("/api/v1/tasks/", "/"))

    assert (api.status_code, api["Content-Type"]) == (400, "application/problem+json")
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (400, "text/html")
