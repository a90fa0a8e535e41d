"""The OpenAPI document, and the pages that show it."""

import pytest
from django.core.management import call_command
from openapi_spec_validator import OpenAPIV31SpecValidator


@pytest.fixture
def schema(client) -> dict:
    response = client.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert response.status_code == 200
    return response.json()


def statuses(schema: dict, method: str, path: str) -> set[str]:
    return set(schema["paths"][f"/api/v1{path}"][method]["responses"])


def test_what_is_served_is_valid_openapi_3_1(schema):
    OpenAPIV31SpecValidator(schema).validate()

    assert schema["openapi"] == "3.1.0"


def test_it_is_made_without_a_warning():
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")


def test_it_names_every_address_of_the_api(schema):
    paths = {path.removeprefix("/api/v1") for path in schema["paths"]}

    assert paths == {
        "/tasks/", "/tasks/{id}/", "/tasks/{id}/complete/", "/tasks/{id}/restore/", "/tags/", "/tags/{id}/",
        "/tasks/{id}/attachments/", "/attachments/", "/attachments/{id}/", "/attachments/{id}/content/",
        "/attachments/{id}/thumbnail/", "/attachments/{id}/rescan/", "/attachments/{id}/release/",
        "/reminders/", "/reminders/{id}/", "/reminders/{id}/cancel/",
        "/deliveries/", "/deliveries/retry/", "/deliveries/{id}/", "/deliveries/{id}/retry/",
        "/schedules/", "/schedules/preview/", "/schedules/{id}/", "/schedules/{id}/run/", "/schedules/{id}/runs/",
        "/schedules/{id}/next/", "/schedules/{id}/pause/", "/schedules/{id}/resume/", "/schedules/{id}/skip-next/",
        "/jobs/", "/jobs/{id}/",
        "/tokens/", "/tokens/{id}/", "/me/",
    }  # fmt: skip


def test_a_problem_is_named_where_it_can_occur_and_nowhere_else(schema):
    assert statuses(schema, "get", "/me/") == {"200", "400", "401", "406", "503"}
    assert statuses(schema, "get", "/tasks/{id}/") == {"200", "400", "401", "404", "406", "503"}
    assert {"201", "200", "413", "415", "422"} <= statuses(schema, "post", "/tasks/")
    assert {"404", "412", "422", "429"} & statuses(schema, "post", "/tasks/") == {"422"}
    assert {"412", "422"} & statuses(schema, "patch", "/tasks/{id}/") == {"412"}
    assert "403" in statuses(schema, "get", "/jobs/")
    assert "429" in statuses(schema, "post", "/tokens/")
    assert "409" in statuses(schema, "post", "/deliveries/{id}/retry/")
    assert "409" in statuses(schema, "post", "/schedules/{id}/skip-next/")
    assert {"201", "404", "409", "413", "415"} <= statuses(schema, "post", "/tasks/{id}/attachments/")
    assert {"200", "206", "304", "403", "409", "416"} <= statuses(schema, "get", "/attachments/{id}/content/")
    assert {"403", "409"} <= statuses(schema, "delete", "/attachments/{id}/")


def test_every_problem_is_problem_json(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"], (path, method, status)


def test_the_search_is_named_only_where_there_is_one(schema):
    names = {
        path.removeprefix("/api/v1"): {each["name"] for each in methods["get"].get("parameters", [])}
        for path, methods in schema["paths"].items()
        if "get" in methods
    }

    assert {path for path in names if "search" in names[path]} == {"/tasks/", "/tags/", "/schedules/"}


def test_the_documentation_page_needs_nothing_from_elsewhere(client):
    response = client.get("/api/v1/docs/")

    assert response.status_code == 200
    assert "https://" not in response.text
