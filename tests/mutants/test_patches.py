"""The list of patches fits the code: each applies, and its test exists. `make mutants` tells whether that turns red."""

from functools import cache
from pathlib import Path

from tests.mutants.patches import PATCHES

ROOT = Path(__file__).parents[2]


@cache
def text(path: str) -> str:
    return (ROOT / path).read_text()


def test_each_patch_applies_in_one_place():
    stray = [patch.mechanism for patch in PATCHES if text(patch.path).count(patch.old) != 1 or patch.old == patch.new]

    assert stray == []


def test_the_test_of_each_patch_exists():
    missing = [
        patch.test
        for patch in PATCHES
        for path, _, name in [patch.test.partition("::")]
        if f"\ndef {name.partition('[')[0]}(" not in text(path)
    ]

    assert missing == []
