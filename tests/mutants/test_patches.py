"""The list of patches fits the code: each applies, and its test exists. `make mutants` tells whether that turns red."""

from pathlib import Path

import pytest

from tests.mutants.patches import PATCHES, Patch

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.mechanism)
def test_a_patch_applies_in_one_place(patch: Patch):
    assert (ROOT / patch.path).read_text().count(patch.old) == 1
    assert patch.old != patch.new


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.mechanism)
def test_the_test_of_a_patch_exists(patch: Patch):
    path, _, name = patch.test.partition("::")

    assert f"\ndef {name.partition('[')[0]}(" in (ROOT / path).read_text()
