"""A PostgreSQL that answers, and cannot do what is asked: 503, and it is the database that health names."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import Error, OperationalError, connection, connections, transaction
from django.test import Client

from config import probes
from config.errors import is_the_databases
from config.postgresql.states import is_of_the_server
from reminders.canary import MAIL
from reminders.sweep import BELL
from reminders.wake import BEAT
from tests.factories import PASSWORD, make_task, make_user
from work import bell

OF_THE_SERVER = {
    "08006": "the connection broke",
    "08P01": "a pooler has no connection left",
    "25006": "it takes no writes",
    "25P03": "the transaction was idle for too long",
    "26000": "a pooler has lost a prepared statement",
    "28000": "it does not let us in any more",
    "3D000": "the database is gone",
    "40001": "another transaction crossed this one",
    "40P01": "a deadlock",
    "42501": "rights were withdrawn",
    "53100": "its disk is full",
    "53200": "its memory is full",
    "53300": "it has no session left",
    "53400": "a limit of its configuration",
    "54000": "it gives out no transaction ids any more",
    "55000": "it is not in the state for that",
    "55006": "somebody else has it in use",
    "55P03": "a lock was not to be had in time",
    "57014": "the statement took too long",
    "57P01": "an administrator ended it",
    "57P02": "it crashed",
    "57P03": "it starts",
    "58030": "its disk has errors",
    "XX001": "a table is damaged",
    "XX002": "an index is damaged",
}

OF_OURS = {
    "0A000": "not supported",
    "22001": "a text that is too long",
    "23505": "a row that is there already",
    "25P02": "a statement after one that failed",
    "2F005": "a function without an end",
    "39P01": "a trigger that is wrong",
    "42601": "bad SQL",
    "42P01": "a table that is not there",
    "54001": "a statement that is too complex",
    "54023": "too many arguments",
    "55P02": "a setting that cannot be changed",
    "P0001": "a trigger that refuses",
}

RAISE = "DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '{}'; END $$"


def raised(code: str, of=connection) -> Error:
    """What Django makes of an error that PostgreSQL itself raises."""
    with pytest.raises(Error) as caught, transaction.atomic(of.alias), of.cursor() as cursor:
        cursor.execute(RAISE.format(code))
    assert caught.value.__cause__.sqlstate == code
    return caught.value


@pytest.mark.django_db
@pytest.mark.parametrize("code", OF_THE_SERVER)
def test_a_state_of_the_server_is_an_operational_error(code):
    assert type(raised(code)) is OperationalError


@pytest.mark.django_db
@pytest.mark.parametrize("code", OF_OURS)
def test_a_defect_of_ours_is_none(code):
    assert not isinstance(raised(code), OperationalError)


@pytest.mark.django_db
def test_each_state_that_psycopg_knows_is_one_or_the_other():
    known = [
        code for code in psycopg.errors._sqlcodes if (len(code) == 5 and not code.startswith("0")) or code[:2] == "08"
    ]

    wrong = [code for code in known if isinstance(raised(code), OperationalError) != is_of_the_server(with_state(code))]

    assert len(known) > 200
    assert wrong == []


def with_state(code: str) -> psycopg.Error:
    return psycopg.errors.lookup(code)()


# Sessions


@pytest.fixture
def other(db) -> Iterator[object]:
    other = connections.create_connection("default")
    other.ensure_connection()
    yield other
    other.close()


def fail(other, code: str) -> None:
    with pytest.raises(Error), other.cursor() as cursor:
        cursor.execute(RAISE.format(code))


@pytest.mark.parametrize("code", ["25006", "26000", "08P01", "53200", "57P01", "XX000"])
def test_a_session_that_another_may_do_better_than_is_not_used_again(other, code):
    fail(other, code)

    other.close_if_unusable_or_obsolete()

    assert other.connection is None


@pytest.mark.parametrize("code", ["53100", "55P03", "57014", "40P01", "42601", "P0001"])
def test_one_that_can_go_on_goes_on(other, code):
    fail(other, code)

    other.close_if_unusable_or_obsolete()

    assert other.connection is not None


def test_a_session_whose_prepared_statement_is_of_another_table_is_not_used_again(other):
    with other.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE odd (a integer)")
        cursor.execute("PREPARE ask AS SELECT * FROM odd")
        cursor.execute("EXECUTE ask")
        cursor.execute("ALTER TABLE odd ALTER a TYPE text")

        with pytest.raises(OperationalError, match="cached plan"):
            cursor.execute("EXECUTE ask")

    assert not other.is_usable()


# Requests


@contextmanager
def failing_writes(table: str, code: str, event: str = "INSERT OR UPDATE") -> Iterator[None]:
    """Each write to the table is answered by this error."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE FUNCTION as_if() RETURNS trigger LANGUAGE plpgsql AS $$"
            f" BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '{code}'; END $$"
        )
        cursor.execute(f"CREATE TRIGGER as_if BEFORE {event} ON {table} EXECUTE FUNCTION as_if()")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION as_if CASCADE")


@contextmanager
def setting(name: str, value: str) -> Iterator[None]:
    """Of all new sessions with this database."""
    database = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {database} SET {name} = {value}")
    connection.close()
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f"ALTER DATABASE {database} RESET {name}")
        connection.close()


@contextmanager
def no_session_left() -> Iterator[None]:
    """53300, when one is opened."""
    database = connection.ops.quote_name(connection.settings_dict["NAME"])
    kept = connections.create_connection("default")
    try:
        with kept.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 0")
            connection.close()
            yield
    finally:
        with kept.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {database} CONNECTION LIMIT -1")
        kept.close()


@contextmanager
def locked() -> Iterator[None]:
    """Somebody has the tables for longer than they are waited for."""
    blocker = connections.create_connection("default")
    with setting("lock_timeout", "'100ms'"), no_own_lock_timeout(), blocker.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE taskapp_task, work_bell")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
            blocker.close()


@contextmanager
def no_own_lock_timeout() -> Iterator[None]:
    """The service's own, of 20 s, goes before that of the database."""
    options = connection.settings_dict["OPTIONS"]
    before = options.pop("options")
    try:
        yield
    finally:
        options["options"] = before


STATES: dict[str, Callable[[], object]] = {
    "read-only": lambda: setting("default_transaction_read_only", "on"),
    "no session left": no_session_left,
    "too slow": lambda: setting("statement_timeout", "1"),
    "locked": locked,
    "full": lambda: everywhere("53100"),
    "rights withdrawn": lambda: everywhere("42501"),
    "damaged": lambda: everywhere("XX001"),
}


@contextmanager
def everywhere(code: str) -> Iterator[None]:
    """As `failing_writes`, for what the requests below and the probes write."""
    with failing_writes("taskapp_task", code), connection.cursor() as cursor:
        cursor.execute("CREATE TRIGGER as_if BEFORE INSERT OR UPDATE ON work_bell EXECUTE FUNCTION as_if()")
        yield


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize("state", STATES)
def test_what_it_cannot_do_is_503_and_to_be_tried_again_and_the_database_is_named(client, state):
    alice = make_user("alice")
    task = make_task(alice)
    client.force_login(alice)
    for name in (BEAT, BELL, MAIL):
        bell.answer(name)
    api = ("/api/v1/tasks/", {"title": "Pay the rent"}, "application/json")

    with STATES[state]():
        problem, page = client.post(*api), client.post(f"/tasks/{task.pk}/")
        told = [Client().get(path) for path in ("/readyz", "/healthz/reminders")]

    assert (problem.status_code, problem["Content-Type"]) == (503, "application/problem+json")
    assert (page.status_code, page["Content-Type"].partition(";")[0]) == (503, "text/html")
    assert int(problem["Retry-After"]) == int(page["Retry-After"]) > 0
    assert [(answer.status_code, answer.json()["down"]) for answer in told] == [(503, ["database"])] * 2
    assert client.post(*api).status_code == 201


@pytest.mark.usefixtures("committed_db")
def test_a_session_that_cannot_be_stored_is_503_and_no_bad_request(client):
    make_user("alice")

    with failing_writes("django_session", "53100", "UPDATE"):
        page = client.post("/accounts/login/", {"username": "alice", "password": PASSWORD})

    assert page.status_code == 503


@pytest.mark.usefixtures("committed_db")
def test_what_fails_in_the_check_of_another_part_is_the_databases(client):
    for name in (BEAT, BELL, MAIL):
        bell.answer(name)
    with connection.cursor() as cursor:
        cursor.execute("REVOKE SELECT ON work_breaker FROM CURRENT_USER")
    try:
        answer = client.get("/healthz/reminders").json()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("GRANT SELECT ON work_breaker TO CURRENT_USER")

    assert answer["down"] == ["database"]
    assert answer["checks"]["database"] == "cannot do what is asked (InsufficientPrivilege, 42501)"


@pytest.mark.usefixtures("committed_db")
def test_a_defect_of_ours_stays_one(client):
    alice = make_user("alice")
    client.force_login(alice)

    with failing_writes("taskapp_task", "P0001"):
        response = client.post("/api/v1/tasks/", {"title": "Pay the rent"}, "application/json")

    assert response.status_code == 500


def of_the_server() -> None:
    raise OperationalError("the database is away")


def from_it() -> None:
    try:
        of_the_server()
    except OperationalError as error:
        raise ValueError("told in other words") from error


def while_it_is_handled() -> None:
    try:
        of_the_server()
    except OperationalError:
        {}["a defect of the handler"]


def instead_of_it() -> None:
    try:
        of_the_server()
    except OperationalError:
        raise KeyError("which has nothing to do with it") from None


def from_a_defect_of_the_handler() -> None:
    try:
        while_it_is_handled()
    except KeyError as error:
        raise ValueError("told in other words") from error


@pytest.mark.parametrize(
    ("fail", "expected"),
    [(of_the_server, True), (from_it, True), (while_it_is_handled, False), (instead_of_it, False),
     (from_a_defect_of_the_handler, False)],
)  # fmt: skip
def test_what_is_raised_from_an_error_of_the_database_is_one_and_what_follows_it_is_none(fail, expected):
    with pytest.raises((OperationalError, ValueError, KeyError)) as caught:
        fail()

    assert is_the_databases(caught.value) is expected


@pytest.mark.usefixtures("committed_db")
def test_probes_write_every_few_seconds_and_no_more():
    probes.database_writes()
    with failing_writes("work_bell", "53100"):
        probes.database_writes()
        probes._written_at = float("-inf")

        with pytest.raises(OperationalError):
            probes.database_writes()
