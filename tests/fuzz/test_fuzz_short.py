"""A short run of every format, from the samples alone: whatever is done to a file, no oracle has anything to say."""

from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.cases import FORMATS
from tests.fuzz.generate import make_case
from tests.fuzz.oracle import judge
from tests.fuzz.seeds import seeds_of

SEED = 20_264
COUNTS = {"xlsx": 80, "parquet": 100}


@pytest.mark.parametrize("form", FORMATS)
def test_no_mutated_file_crashes_a_reader_or_makes_a_wrong_row(form: str, tmp_path: Path) -> None:
    seeds, labels = seeds_of(form), Counter[str]()
    for index in range(COUNTS.get(form, 150)):
        outcome = judge(form, make_case(form, seeds, seed=SEED, index=index), tmp_path)
        assert outcome.problems == [], f"case {index} of seed {SEED}: {outcome.problems}"
        labels[outcome.label] += 1
    # Cases of all kinds: a run that only ever refuses has not looked at a row.
    accepted = sum(count for label, count in labels.items() if not label.startswith("reject"))
    assert accepted > 15
    assert len(labels) >= 5
