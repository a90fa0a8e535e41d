"""The matrix is complete, and nothing but the harness can arm a failpoint."""

import ast

from tests.broker import quiet_broker
from tests.chaos import files, matrix, points
from tests.chaos.armory import Armory
from tests.e2e.service import Service, broker_url


def test_every_point_of_the_product_is_in_a_row_of_the_matrix_or_has_a_reason_not_to_be():
    in_rows = {row.point for row in [*matrix.ROWS, *files.ROWS]}
    excused = matrix.NOT_ON_THE_WAY | files.NOT_ON_THE_WAY

    found = points.in_product()

    assert found - in_rows - excused.keys() == set()
    assert found >= excused.keys()


def test_every_row_has_a_point_of_the_product_or_a_job_on_its_way():
    verbs, jobs = ("publishing", "published", "received"), (matrix.SWEEP, matrix.DELIVER, files.PROCESS)

    in_rows = {row.point for row in [*matrix.ROWS, *files.ROWS]}

    assert in_rows - points.in_product() == {f"{verb} {job}" for verb in verbs for job in jobs}


def test_nothing_in_the_product_replaces_what_stands_behind_a_point():
    stores = [
        str(path)
        for path, tree in points.sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name)
        and "at_point" in {getattr(node, "attr", ""), getattr(node, "id", "")}
        and isinstance(node.ctx, ast.Store)
    ]

    assert stores == ["work/failpoints.py"]


def test_a_worker_that_is_started_as_ever_passes_an_armed_point(tmp_path):
    """In the same environment, and with the same files, as those that the harness starts."""
    for name in ("armory", "ready", "data"):
        (tmp_path / name).mkdir(mode=0o700)
    armory = Armory(tmp_path / "armory")
    armed = {"CHAOS_DIRECTORY": str(tmp_path), "CHAOS_PROCESS": "celery-worker", "CHAOS_HARNESS": "1"}
    code = "from reminders.tasks import send_due_soon_reminders; send_due_soon_reminders.delay().get(timeout=60)"
    with quiet_broker(broker_url(number=5)), Service(tmp_path / "data", **armed) as service:
        armory.arm("sweep begun")

        service.start("celery-worker")
        service.manage("shell", "-v0", stdin=code)

    assert armory.shot("sweep begun") is None
    assert armory.is_armed("sweep begun")
