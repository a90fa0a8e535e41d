"""Letting a quarantined file out, and having a file scanned again."""

import pytest

from attachments import services
from attachments.errors import NotInThatStateError, QuarantinedError, ReasonMissingError
from attachments.models import Attachment, Scan
from tests.factories import make_attachment, make_task, make_user

QUARANTINED = ["infected", "unscannable"]


def make(owner, state: str) -> Attachment:
    return make_attachment(make_task(owner), state=state, reason="Win.Test")


def path_of(attachment: Attachment, part: str = "") -> str:
    return f"/api/v1/attachments/{attachment.pk}/{part}"


def status(client, attachment: Attachment) -> int:
    """Of fetching it."""
    response = client.get(path_of(attachment, "content/"))
    b"".join(response.streaming_content if response.streaming else [])
    return int(response.status_code)


@pytest.mark.parametrize("state", [*QUARANTINED, "failed"])
def test_staff_let_out_what_is_quarantined_or_was_never_scanned(alice, staff, api, state):
    attachment = make(alice, state)

    response = api(staff).post(path_of(attachment, "release/"), {"reason": "a false alarm"})

    told = response.json()
    assert response.status_code == 200
    assert (told["state"], told["reason"]) == ("ready", "released by staff: a false alarm")
    last = told["history"][-1]
    assert (last["step"], last["by"], last["reason"]) == ("released", "staff", "a false alarm")
    assert status(api(alice), attachment) == 200
    assert status(api(staff), attachment) == 404  # to let it out is not to have it


@pytest.mark.parametrize("reason", [{}, {"reason": ""}, {"reason": "  "}, {"reason": None}, {"reason": "x" * 1001}])
def test_nothing_is_let_out_without_a_reason(alice, staff, api, reason):
    attachment = make(alice, "infected")

    response = api(staff).post(path_of(attachment, "release/"), reason)

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["reason"]
    with pytest.raises(ReasonMissingError):
        services.release_attachment(attachment, by=staff, reason=" ")
    assert status(api(alice), attachment) == 403


@pytest.mark.parametrize("state", ["uploaded", "scanning", "clean", "ready"])
def test_what_is_not_quarantined_is_not_let_out(alice, staff, api, state):
    attachment = make(alice, state)

    response = api(staff).post(path_of(attachment, "release/"), {"reason": "a false alarm"})

    assert (response.status_code, response.json()["detail"]) == (409, "It is not quarantined.")
    assert Attachment.objects.get().state == state


def test_an_owner_does_not_let_out_their_own(alice, bob, api):
    attachment = make(alice, "infected")

    for user in (alice, bob):
        response = api(user).post(path_of(attachment, "release/"), {"reason": "please"})
        assert response.status_code == 403
        assert response["Content-Type"] == "application/problem+json"
    assert api(None).post(path_of(attachment, "release/"), {"reason": "please"}).status_code == 401
    assert status(api(alice), attachment) == 403


def test_what_is_deleted_is_not_let_out(alice, staff, api):
    attachment = make(alice, "infected")
    services.delete_attachment(attachment, by=staff, reason="a virus", as_administrator=True)

    assert api(staff).post(path_of(attachment, "release/"), {"reason": "x"}).status_code == 404
    with pytest.raises(NotInThatStateError):
        services.release_attachment(attachment, by=staff, reason="x")


@pytest.mark.parametrize("state", ["ready", "failed"])
def test_an_owner_has_a_file_scanned_again_and_it_is_closed_at_once(alice, api, state):
    attachment = make(alice, state)
    Scan.objects.update(
        status="failed" if state == "failed" else "done", reason="broken", attempts=10, verdict="clean", found="x",
        alone=True,
    )  # fmt: skip

    response = api(alice).post(path_of(attachment, "rescan/"))

    told = response.json()
    assert response.status_code == 200
    assert (told["state"], told["reason"]) == ("uploaded", "")
    assert (told["history"][-1]["step"], told["history"][-1]["by"]) == ("scan asked for", "alice")
    assert status(api(alice), attachment) == 409
    scan = Scan.objects.get()
    assert (scan.status, scan.reason, scan.attempts, scan.verdict, scan.found, scan.alone) == (
        "queued", "", 0, "", "", False,
    )  # fmt: skip


@pytest.mark.parametrize("state", ["uploaded", "scanning", "clean"])
def test_what_is_being_processed_is_not_queued_once_more(alice, api, state):
    attachment = make(alice, state)
    before = Scan.objects.values().get()

    response = api(alice).post(path_of(attachment, "rescan/"))

    assert (response.status_code, response.json()["detail"]) == (409, "It is being processed already.")
    assert Scan.objects.values().get() == before


@pytest.mark.parametrize("state", QUARANTINED)
def test_what_is_quarantined_is_not_its_owners_to_have_scanned_again(alice, api, state):
    attachment = make(alice, state)

    response = api(alice).post(path_of(attachment, "rescan/"))

    assert response.status_code == 403
    assert response.json()["detail"] == "It is quarantined: only an administrator may have it scanned again."
    with pytest.raises(QuarantinedError):
        services.rescan_attachment(attachment, by=alice)
    assert Attachment.objects.get().state == state


@pytest.mark.parametrize("state", QUARANTINED)
def test_staff_have_their_own_quarantined_files_scanned_again(staff, api, state):
    attachment = make(staff, state)

    response = api(staff).post(path_of(attachment, "rescan/"))

    assert (response.status_code, response.json()["state"]) == (200, "uploaded")
    assert status(api(staff), attachment) == 409


def test_somebody_elses_file_is_not_there_to_be_scanned_again_not_even_for_staff(alice, bob, staff, api):
    attachment = make(alice, "ready")

    for user in (bob, staff):
        assert api(user).post(path_of(attachment, "rescan/")).status_code == 404
    assert Attachment.objects.get().state == "ready"


def test_what_was_let_out_can_be_scanned_again(alice, staff, api):
    attachment = make(alice, "infected")
    services.release_attachment(attachment, by=staff, reason="a false alarm")

    assert api(alice).post(path_of(attachment, "rescan/")).json()["state"] == "uploaded"


def test_staff_without_the_permission_let_nothing_out(alice, api):
    clerk = make_user("clerk", is_staff=True)
    attachment = make_attachment(make_task(alice), state="infected")
    own = make_attachment(make_task(clerk), state="infected")

    released = api(clerk).post(f"/api/v1/attachments/{attachment.pk}/release/", {"reason": "a reason"})
    scanned = api(clerk).post(f"/api/v1/attachments/{own.pk}/rescan/")

    assert (released.status_code, scanned.status_code) == (403, 403)
    assert set(Attachment.objects.values_list("state", flat=True)) == {"infected"}
