"""Every failpoint on the way of a file, and what becomes of four uploads when the process that comes there is killed.

A photo, a text, a virus and a photo that is cut off are uploaded; the process dies at the point; everything drains.
Then each upload that was granted must be what it should be, and be handed out or not; the storage must hold the files
that rows refer to and no other; and the owner must have been told of the virus, once.
"""

import hashlib
import json
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.attachments.pictures import jpeg
from tests.chaos.armory import FREEZE, KILL_CHILD, Shot
from tests.chaos.fleet import Fleet
from tests.chaos.matrix import Row
from tests.clamav import EICAR, ClamAV
from tests.waiting import eventually

PROCESS = "attachments.process"
USER = "files"
DRAIN_SECONDS = 60.0
SHOT_SECONDS = 30.0

UNREST = """
    SELECT (SELECT count(*) FROM attachments_scan WHERE status IN ('queued', 'leased')),
           (SELECT count(*) FROM attachments_thumbnailing WHERE status IN ('queued', 'leased')),
           (SELECT count(*) FROM attachments_attachment
            WHERE deleted_at IS NULL AND (state IN ('uploaded', 'scanning', 'clean')
                                          OR is_untold)),
           (SELECT count(*) FROM attachments_erasure),
           (SELECT count(*) FROM reminders_delivery WHERE status IN ('queued', 'leased'))
"""
KEYS = """
    SELECT key FROM attachments_attachment WHERE deleted_at IS NULL UNION ALL SELECT key FROM attachments_thumbnail
"""


@dataclass(frozen=True)
class Kind:
    """A file, and what it is to become."""

    name: str
    content: bytes
    state: str
    thumbnails: int = 0


KINDS = [
    Kind("photo.jpg", jpeg(), "ready", thumbnails=2),
    Kind("note.txt", b"Some text.\n", "ready"),
    Kind("virus.txt", EICAR, "infected"),
    Kind("broken.jpg", jpeg()[:20_000], "ready"),
]


@dataclass
class Upload:
    kind: Kind
    id: int
    name: str


class Case:
    """One row while it runs."""

    def __init__(self, fleet: Fleet, scanner: ClamAV, row: Row, number: int) -> None:
        self.fleet, self.scanner, self.row, self.number = fleet, scanner, row, number
        self.uploads: list[Upload] = []
        self.deleted: list[Upload] = []
        self.task = fleet.api(USER, "POST", "tasks/", {"title": f"Files of row {number}"})["id"]

    def arm(self) -> None:
        self.fleet.armory.arm(self.row.point, hit=self.row.hit, action=self.row.action)

    def until_shot(self, point: str = "") -> Shot:
        shot = eventually(lambda: self.fleet.armory.shot(point or self.row.point), within=SHOT_SECONDS, every=0.02)
        if shot.action != FREEZE:
            self.fleet.until_dead(shot.pid)
        return shot

    def upload_all(self) -> None:
        for kind in KINDS:
            self.upload(kind)

    def upload(self, kind: Kind) -> Upload:
        """Ask until it is granted. What an answer that was lost has granted is there a second time then."""
        stem, _, extension = kind.name.partition(".")
        name = f"{stem}-{self.number}-{len(self.uploads)}.{extension}"
        boundary = secrets.token_hex(16)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = head.encode() + kind.content + f"\r\n--{boundary}--\r\n".encode()
        answer = self.granted(f"tasks/{self.task}/attachments/", body, boundary)
        upload = Upload(kind, answer["id"], name)
        self.uploads.append(upload)
        return upload

    def granted(self, path: str, body: bytes, boundary: str) -> dict:
        headers = {
            "Authorization": f"Bearer {self.fleet.users[USER][1]}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        }

        def ask() -> dict:
            request = Request(f"{self.fleet.url}/api/v1/{path}", data=body, headers=headers)
            with urlopen(request, timeout=10) as response:
                return json.loads(response.read())

        return eventually(ask, within=60)

    def delete_all(self) -> None:
        for upload in self.uploads:
            if upload.kind.state != "infected":
                self.fleet.api(USER, "DELETE", f"attachments/{upload.id}/")
                self.deleted.append(upload)

    def until_at_rest(self) -> None:
        eventually(self.is_at_rest, within=DRAIN_SECONDS)

    def is_at_rest(self) -> bool:
        return self.fleet.sql(UNREST) == [(0, 0, 0, 0, 0)]


Scenario = Callable[[Case], None]


@dataclass
class Outcome:
    row: Row
    shot: Shot | None
    uploads: int = 0
    wrong: list[str] = field(default_factory=list)
    recovery_seconds: float = 0.0
    """From the kill until nothing was left to be done."""

    @property
    def is_good(self) -> bool:
        return self.shot is not None and not self.wrong


# What is asked of the fleet, so that it comes to a point


def uploads(case: Case) -> None:
    case.arm()
    case.upload_all()


def deletes(case: Case) -> None:
    case.upload_all()
    case.until_at_rest()
    case.arm()
    case.delete_all()


def while_the_scanner_is_away(case: Case) -> None:
    """It comes back after the process has died."""
    case.scanner.stop()
    case.arm()
    case.upload_all()
    case.until_shot()
    case.scanner.start()


def after_the_scanner_was_away(case: Case) -> None:
    """The storage has lost a file for a while, as an S3 endpoint may that does not answer."""
    case.scanner.stop()
    case.upload_all()
    away = [path for path in storage(case.fleet) if path.read_bytes() == KINDS[1].content]
    for path in away:
        path.rename(f"{path}.away")
    case.arm()
    case.scanner.start()
    case.until_shot()
    for path in away:
        path.with_name(f"{path.name}.away").rename(path)


def and_redis_is_emptied(case: Case) -> None:
    case.arm()
    case.upload_all()
    case.until_shot()
    case.fleet.redis().flushall()


def and_the_database_dies(case: Case) -> None:
    case.arm()
    case.upload_all()
    case.until_shot()
    case.fleet["postgres"].signal(signal.SIGKILL)


def after_a_kill(point: str) -> Scenario:
    """A worker has died with a file in its hands."""

    def scenario(case: Case) -> None:
        case.fleet.armory.arm(point)
        case.arm()
        case.upload_all()
        case.until_shot(point)

    return scenario


def thawed(point: str) -> Scenario:
    """A worker slept for longer than its lease, and another one did its work."""

    def scenario(case: Case) -> None:
        case.fleet.armory.arm(point, action=FREEZE)
        case.upload_all()
        frozen = case.until_shot(point)
        eventually(lambda: not overdue(case), within=DRAIN_SECONDS)
        case.arm()
        case.fleet[frozen.process].thaw()

    return scenario


def rows_of(*points: str, scenario: Scenario = uploads, hit: int = 1) -> list[Row]:
    return [Row(point, scenario, hit) for point in points]


KILLS = [
    *rows_of("file writing", "file written", "attachment saving", "attachment uploaded", "attachment saved", hit=2),
    *rows_of(f"publishing {PROCESS}", f"published {PROCESS}", f"received {PROCESS}"),
    *rows_of("scan claimed", "scan begun", "scan answered", "scan settled", hit=2),
    *rows_of("thumbnailing claimed", "thumbnailing begun", "thumbnails written", "thumbnailing drawn"),
    *rows_of("attachment ready", "thumbnailing settled", "thumbnailing not drawable"),
    *rows_of("scan parked", scenario=while_the_scanner_is_away),
    *rows_of("scan deferred", scenario=after_the_scanner_was_away),
    *rows_of("scan lease expired", scenario=after_a_kill("scan begun")),
    *rows_of("thumbnailing lease expired", scenario=after_a_kill("thumbnailing begun")),
    *rows_of("scan lease lost", scenario=thawed("scan answered")),
    *rows_of("thumbnailing lease lost", scenario=thawed("thumbnails written")),
    *rows_of(
        "attachment deleting", "attachment deleted", "file erasing", "file deleted", "file erased", scenario=deletes
    ),
]

ROWS = [
    *KILLS,
    Row("scan begun", uploads, action=KILL_CHILD),
    Row("thumbnails written", uploads, action=KILL_CHILD),
    Row(f"received {PROCESS}", and_redis_is_emptied, note="and Redis is emptied"),
    Row("scan answered", and_the_database_dies, note="and PostgreSQL is killed"),
]

NOT_ON_THE_WAY = {
    "attachment released": "a person's request, in one transaction: the same as at 'attachment deleting'",
    "attachment scan asked for": "a person's request, in one transaction: the same as at 'attachment deleting'",
    "scan failed": "the last of the attempts: the same statement as at 'scan deferred'",
    "thumbnailing parked": "the disk has no room: the same statement as at 'scan parked'",
    "thumbnailing handed back": "a run takes one at a time, so there is none that it has not begun",
    "thumbnailing deferred": "the storage does not take the thumbnails: the same as at 'scan deferred'",
    "thumbnailing failed": "the last of the attempts: the same statement as at 'scan deferred'",
}
"""Points that no row dies at, each with its reason."""


def run_row(fleet: Fleet, scanner: ClamAV, row: Row, number: int) -> Outcome:
    fleet.until_ready()
    case, outcome = Case(fleet, scanner, row, number), Outcome(row, None)
    try:
        row.scenario(case)
        outcome.shot = case.until_shot()
    except AssertionError as failure:
        outcome.wrong.append(str(failure))
        outcome.shot = fleet.armory.shot(row.point)
    finally:
        scanner.revive()
        fleet.armory.clear()
        if outcome.shot and outcome.shot.action == FREEZE:
            fleet[outcome.shot.process].thaw()
    outcome.wrong += judged(case)
    outcome.uploads = len(case.uploads)
    outcome.recovery_seconds = time.monotonic() - outcome.shot.at if outcome.shot else float("nan")
    return outcome


def judged(case: Case) -> Iterator[str]:
    """What is not as it should be, once everything has drained."""
    fleet = case.fleet
    with suppress(AssertionError):
        eventually(lambda: not overdue(case), within=DRAIN_SECONDS)
    eventually(lambda: fleet.sql("SELECT 1"))  # the connection may have died with the database
    # What no row refers to waits for an hour, lest an upload be still under way. None is.
    fleet.sql("UPDATE attachments_erasure SET not_before = clock_timestamp()")
    with suppress(AssertionError):
        eventually(case.is_at_rest, within=DRAIN_SECONDS)
    if not case.is_at_rest():
        yield f"it does not come to rest: {fleet.sql(UNREST)}"
    for upload in case.uploads:
        yield from wrong_with(case, upload)
    kept, referred_to = sorted(str(path.relative_to(root(fleet))) for path in storage(fleet)), sorted(keys(fleet))
    if kept != referred_to:
        yield f"the storage has {len(kept)} files, and rows refer to {len(referred_to)}"
    told = Counter(message.word for message in fleet.mail.accepted if not message.due)
    for upload in case.uploads:
        if upload.kind.state == "infected" and not told[upload.name]:
            yield f"nobody was told of {upload.name}"
    repeated = {word: times for word, times in told.items() if times > tolerated(fleet, word)}
    if repeated:
        yield f"told more than once: {repeated}"


def overdue(case: Case) -> bool:
    """Whether anything but the erasing of what was never adopted is left."""
    *stages, _, deliveries = case.fleet.sql(UNREST)[0]
    return any(stages) or bool(deliveries)


def tolerated(fleet: Fleet, name: str) -> int:
    """How often the owner may be told: once for each row of that name, and once more for each unknown outcome."""
    question = """
        SELECT count(*) + count(*) FILTER (WHERE delivery.unknown_outcome)
        FROM reminders_delivery AS delivery JOIN attachments_attachment AS attachment
          ON attachment.id = delivery.attachment_id
        WHERE attachment.name = %s
    """
    return int(fleet.sql(question, [name])[0][0])


def wrong_with(case: Case, upload: Upload) -> Iterator[str]:
    kind = upload.kind
    if upload in case.deleted:
        if (status := asked(case, f"attachments/{upload.id}/content/")[0]) != 404:
            yield f"{upload.name}, which was deleted, is answered by {status}"
        return
    shown = case.fleet.api(USER, "GET", f"attachments/{upload.id}/")
    if (shown["state"], len(shown["thumbnails"])) != (kind.state, kind.thumbnails):
        yield f"{upload.name} is {shown['state']}, with {len(shown['thumbnails'])} thumbnails: {shown['reason']}"
    status, content = asked(case, f"attachments/{upload.id}/content/")
    if (status == 200) != (kind.state == "ready") or (status == 200 and digest(content) != digest(kind.content)):
        yield f"{upload.name} is answered by {status} and {len(content)} bytes"
    for each in shown["thumbnails"]:
        status, content = asked(case, f"attachments/{upload.id}/thumbnail/?size={each['size']}")
        if (status, len(content)) != (200, each["bytes"]):
            yield f"the {each['size']} thumbnail of {upload.name} is answered by {status}"


def asked(case: Case, path: str) -> tuple[int, bytes]:
    def ask() -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {case.fleet.users[USER][1]}"}
        try:
            with urlopen(Request(f"{case.fleet.url}/api/v1/{path}", headers=headers), timeout=10) as response:
                return response.status, response.read()
        except HTTPError as error:
            return error.code, error.read()

    return eventually(ask, within=30)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def root(fleet: Fleet) -> Path:
    return fleet.directory / "data" / "attachments"


def storage(fleet: Fleet) -> list[Path]:
    return [path for path in root(fleet).rglob("*") if path.is_file()]


def keys(fleet: Fleet) -> list[str]:
    return [key for (key,) in fleet.sql(KEYS)]


def run(fleet: Fleet, rows: list[Row] = ROWS, *, outcomes: list[Outcome], say: Callable[[str], None] = print) -> None:
    """Run the rows one after the other. `outcomes` has those that are finished, even if a later one fails."""
    fleet.add_users([USER])
    with ClamAV(fleet.directory / "clamd") as scanner:
        for number, row in enumerate(rows):
            began = time.monotonic()
            outcome = run_row(fleet, scanner, row, number)
            outcomes.append(outcome)
            said = f"{'ok ' if outcome.is_good else 'RED'} {row}, {row.action}: {outcome.uploads} uploads"
            took = time.monotonic() - began
            say(f"{said}, at rest after {outcome.recovery_seconds:.1f} s, row took {took:.1f} s")
            for each in outcome.wrong:
                say(f"    {each}")
