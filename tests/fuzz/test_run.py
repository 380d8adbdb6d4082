"""A run can be taken up again, repeated case by case, and goes on past files that hang or kill its reader."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.cases import FORMATS
from tests.fuzz.generate import make_case
from tests.fuzz.planted_worker import DIES, GROWS, HANGS, LIES, WAITS
from tests.fuzz.record import OtherRun, Record
from tests.fuzz.run import Options, run
from tests.fuzz.seeds import seeds_of


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def silent(text: str) -> None:
    del text


@pytest.mark.parametrize("form", FORMATS)
def test_a_case_depends_on_seed_format_and_number_alone(form: str) -> None:
    first = [make_case(form, seeds_of(form), seed=5, index=n).data for n in range(12)]
    second = {n: make_case(form, seeds_of(form), seed=5, index=n).data for n in reversed(range(12))}
    assert first == [second[n] for n in range(12)]
    assert len(set(first)) > 9
    assert first != [make_case(form, seeds_of(form), seed=6, index=n).data for n in range(12)]


def test_a_run_goes_on_past_what_hangs_dies_waits_grows_or_lies(tmp_path: Path) -> None:
    options = Options("nem13", 14, 1, hang_s=4.0, cases_a_range=10, module="tests.fuzz.planted_worker")
    record = run(options, tmp_path / "r.jsonl", resume=False, say=silent)
    found = {line["index"]: line for line in lines_of(record.path) if line["type"] == "failure"}
    kinds = {index: line["problems"][0][0] for index, line in found.items()}
    assert kinds == {HANGS: "hang", DIES: "killed", WAITS: "slow", GROWS: "memory", LIES: "provenance"}
    assert (record.totals.next, record.totals.failures, sum(record.totals.labels.values())) == (14, 5, 14)
    case = make_case("nem13", seeds_of("nem13"), seed=1, index=DIES)
    assert Path(found[DIES]["file"]).read_bytes() == case.data


def test_a_run_that_was_broken_off_goes_on_after_its_last_checkpoint(tmp_path: Path) -> None:
    whole = run(Options("nem13", 30, 2, cases_a_range=10), tmp_path / "whole.jsonl", resume=False, say=silent)
    path = tmp_path / "part.jsonl"
    run(Options("nem13", 20, 2, cases_a_range=10), path, resume=False, say=silent)
    with path.open("ab") as file:
        file.write(b'{"type": "checkpoint", "start": 20, "ne')
    after = run(Options("nem13", 30, 2, cases_a_range=10), path, resume=True, say=silent)
    assert after.totals.labels == whole.totals.labels
    starts = [line["start"] for line in lines_of(path) if line["type"] == "checkpoint"]
    assert starts == [0, 10, 20]


def test_a_record_of_another_run_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    Record(path, {"format": "nem13", "seed": 1}, resume=False)
    with pytest.raises(OtherRun, match="is the record of"):
        Record(path, {"format": "nem13", "seed": 2}, resume=True)


def test_failures_without_their_checkpoint_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    Record(path, {"seed": 1}, resume=False)
    with path.open("ab") as file:
        file.write(b'{"type": "failure", "index": 3}\n')
    assert Record(path, {"seed": 1}, resume=True).totals.failures == 0
    assert len(lines_of(path)) == 1
