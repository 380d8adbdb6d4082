"""Rejects are ranked and explained; every reason in the code is on the list."""

import re
from pathlib import Path

from data_quality.quarantine import FILE_REASONS, ROW_REASONS, evaluate_rejects

ROOT = Path(__file__).parents[2]


def test_the_commonest_reason_stands_first_with_its_meaning() -> None:
    verdict = evaluate_rejects(accepted=97, rejected=3, reasons={"off_grid": 1, "not_a_number": 2}, limit=0.02)
    assert not verdict.passed
    assert verdict.facts["share"] == 0.03
    assert verdict.facts["reasons"] == [
        "2 not_a_number: The value is no finite number",
        "1 off_grid: The interval does not fit quarter hours",
    ]


def test_exactly_the_limit_passes_and_nothing_at_all_does() -> None:
    assert evaluate_rejects(accepted=98, rejected=2, reasons={"off_grid": 2}, limit=0.02).passed
    assert evaluate_rejects(accepted=0, rejected=0, reasons={}, limit=0.0).passed


def test_every_reason_that_the_readers_give_is_on_the_list() -> None:
    given = set()
    for path in (ROOT / "assets" / "readings").rglob("*.py"):
        if path.name == "edits.py":
            # A person's edit is refused to that person; nothing of it is kept.
            continue
        text = path.read_text()
        given |= set(re.findall(r'reason="(\w+)"', text)) | set(re.findall(r'take\("(\w+)"', text))
        given |= set(re.findall(r'pl\.lit\("(\w+_\w+)"\)', text))
    assert len(given) > 25
    assert given - {"bad_input"} <= set(ROW_REASONS) | set(FILE_REASONS)
