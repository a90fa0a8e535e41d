"""What processes count for /metrics costs none of them its life, whatever the disk does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from prometheus_client.multiprocess import MultiProcessCollector
from structlog.testing import capture_logs

from config.counts import CountsFile
from config.metrics import Counted
from tests.checkout import ROOT
from tests.small_disk import NEEDS, can_mount, filled, read_only, small_disk

needs_a_disk = pytest.mark.skipif(not can_mount(), reason=NEEDS)

COUNTING = """
import sys
from pathlib import Path
from config import counts
from config.env import count_in_files
counts.TRY_AGAIN_SECONDS = 0.0
count_in_files(Path(sys.argv[1]))
from prometheus_client import Counter, Gauge, Histogram
steps = Counter("steps", "Steps.", ["name"])
spans = Histogram("spans", "Spans.")
rows = Gauge("rows", "Rows.", multiprocess_mode="sum")
for line in sys.stdin:
    for name in range(int(line)):
        steps.labels(f"a step with a name that is long enough to fill pages, number {name}").inc()
        spans.observe(1)
        rows.set(name)
    print("counted", flush=True)
"""
"""As the service counts; each line that it reads says how many steps are to be counted."""

MANY = 700
"""More than the 64 kB that prometheus_client takes at first have room for."""


class Process:
    def __init__(self, metrics_dir: Path) -> None:
        environ = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", COUNTING, metrics_dir], cwd=ROOT, env=environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def count(self, number: int) -> None:
        print(number, file=self._process.stdin, flush=True)
        while (line := self._process.stdout.readline()) != "counted\n":  # others are of the log
            assert line, signal_of(self._process.wait(10))

    def end(self) -> str:
        self._process.stdin.close()
        self._process.stdout.read()
        self._process.stdout.close()
        return signal_of(self._process.wait(10))


def signal_of(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else ""


@contextmanager
def counting(metrics_dir: Path) -> Iterator[Process]:
    process = Process(metrics_dir)
    yield process
    assert process.end() == ""


def counted(metrics_dir: Path) -> float:
    """How many steps the files tell of."""
    files = [path for path in metrics_dir.glob("*/*.db") if path.stat().st_size]
    samples = [sample for metric in MultiProcessCollector.merge(files) for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name == "steps_total")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    with small_disk(place, megabytes=4):
        yield place


def test_counts_are_in_files(tmp_path):
    with counting(tmp_path) as process:
        process.count(3)

    assert counted(tmp_path) == 3


@needs_a_disk
@pytest.mark.parametrize("left", [0, 70_000], ids=["nothing left", "64 kB left"])
def test_a_process_that_finds_the_disk_full_counts_in_memory_and_in_files_later(disk, left):
    with ExitStack() as full, counting(disk) as process:
        full.enter_context(filled(disk, but=left))
        process.count(MANY)
        full.close()

        process.count(1)

        assert counted(disk) == MANY + 1


@needs_a_disk
def test_a_running_process_whose_file_cannot_grow_counts_in_memory(disk):
    with counting(disk) as process:
        process.count(10)
        with filled(disk):
            process.count(MANY)
            assert 10 <= counted(disk) < MANY

        process.count(1)

        assert counted(disk) == 10 + MANY + 1


@needs_a_disk
def test_a_process_that_finds_the_disk_read_only_counts_in_memory(disk):
    with counting(disk) as process:
        with read_only(disk):
            process.count(10)
            assert list(disk.iterdir()) == []

        process.count(1)

        assert counted(disk) == 11


def test_a_process_whose_directory_cannot_be_made_counts_in_memory(tmp_path):
    (tmp_path / "file").write_text("")

    with counting(tmp_path / "file" / "metrics") as process:
        process.count(10)


def test_a_process_with_the_id_of_one_that_is_gone_goes_on_where_that_one_was(tmp_path):
    path = str(tmp_path / "counter_1.db")
    before = CountsFile(path)
    before.write_value("sent", 3.0, 0.0)
    before.close()

    after = CountsFile(path)

    assert after.read_value("sent") == (3.0, 0.0)
    after.write_value("failed", 1.0, 0.0)
    assert {key: value for key, value, *_ in CountsFile.read_all_values_from_file(path)} == {"sent": 3.0, "failed": 1.0}


def test_of_two_processes_with_the_same_id_one_has_the_file(tmp_path):
    path = str(tmp_path / "counter_1.db")
    one, other = CountsFile(path), CountsFile(path)

    with capture_logs() as logs:
        for _ in range(3):
            one.write_value("sent by one", 3.0, 0.0)
            other.write_value("sent by the other", 4.0, 0.0)
            other.write_value("failed by the other", 5.0, 0.0)

    assert {key: value for key, value, *_ in CountsFile.read_all_values_from_file(path)} == {"sent by one": 3.0}
    assert other.read_value("sent by the other") == (4.0, 0.0)
    assert logs == []
    one.close()


def test_whoever_finds_the_file_locked_says_so_once(tmp_path):
    path = str(tmp_path / "counter_1.db")
    one = CountsFile(path)

    with capture_logs() as logs:
        other = CountsFile(path)
        other.write_value("sent", 1.0, 0.0)

    assert [(entry["log_level"], entry["path"]) for entry in logs] == [("warning", path)]
    one.close()


def test_a_file_in_pieces_takes_none_of_the_others_along(tmp_path, settings):
    settings.METRICS_DIR = tmp_path
    with counting(tmp_path) as process:
        process.count(3)
    [whole] = tmp_path.glob("*/counter_*.db")
    pieces = whole.with_name("counter_0.db")
    pieces.write_bytes(whole.read_bytes()[:-20])

    with capture_logs() as logs:
        metrics = list(Counted().collect())

    assert sum(sample.value for metric in metrics for sample in metric.samples if sample.name == "steps_total") == 3
    assert [entry["path"] for entry in logs] == [str(pieces)]


@pytest.mark.parametrize(
    "content",
    [b"", b"\x01", b"\xff" * 100, b"\x40\0\0\0\0\0\0\0\x08\0\0\0", b"\x10\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0"],
    ids=["empty", "one byte", "nonsense", "cut off", "an entry that is too long"],
)
def test_a_file_that_a_crash_has_left_in_pieces_is_begun_anew(tmp_path, content):
    path = tmp_path / "counter_1.db"
    path.write_bytes(content)

    CountsFile(str(path)).write_value("sent", 1.0, 0.0)

    assert [(key, value) for key, value, *_ in CountsFile.read_all_values_from_file(path)] == [("sent", 1.0)]
