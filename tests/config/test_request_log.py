"""A request leaves one line, with the address that it came from."""

import pytest


def line_of(caplog):
    (line,) = [record.msg for record in caplog.records if isinstance(record.msg, dict) and "code" in record.msg]
    return line


@pytest.mark.django_db
def test_a_request_is_one_line_with_its_address(client, caplog):
    caplog.set_level("INFO")

    client.get("/api/v1/me/", REMOTE_ADDR="192.0.2.7", headers={"X-Forwarded-For": "198.51.100.1"})

    line = line_of(caplog)
    assert (line["event"], line["request"], line["code"]) == ("request_finished", "GET /api/v1/me/", 401)
    assert line["ip"] == "192.0.2.7"


@pytest.mark.django_db
def test_behind_a_proxy_of_ours_it_is_the_address_that_the_proxy_saw(client, caplog, settings):
    caplog.set_level("INFO")
    settings.WEB_PROXIES = 1

    client.get("/api/v1/me/", headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.1"})

    assert line_of(caplog)["ip"] == "198.51.100.1"
