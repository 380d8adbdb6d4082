"""The pages on dispatch and devices say what the code does."""

import re
from pathlib import Path

import pytest

from controls.ledger.device_lease import LEASE_S, STOP_S
from controls.planning.frozen_plan import commands_of
from data_quality.contracts.control.command import CommandState, EvidenceGrade, Mode
from tests.control_docs import DEVICES, DISPATCH, ROOT, devices_page, interlock_ids, templates, with_tables
from tests.controls.planning.examples import HOME, plan

TEXT = DISPATCH.read_text("utf-8")


def test_the_page_of_devices_is_what_the_templates_say_now() -> None:
    assert DEVICES.read_text("utf-8") == devices_page(templates()), "run python -m tests.control_docs"


def test_the_tables_of_the_page_on_dispatch_are_those_of_the_code_now() -> None:
    assert with_tables(TEXT) == TEXT, "run python -m tests.control_docs"


def test_every_interlock_mode_grade_and_state_stands_on_the_page() -> None:
    ids = interlock_ids()
    assert ids == [f"I{n:02d}" for n in range(1, len(ids) + 1)]
    assert len(ids) >= 14
    for name in (*(mode.name for mode in Mode), *(state.value for state in CommandState)):
        assert f"`{name}`" in TEXT, name
    for grade in EvidenceGrade:
        assert f"| {int(grade)} | {grade.name.lower().replace('_', ' ')} |" in TEXT, grade


def test_the_seconds_of_the_page_are_those_of_the_code() -> None:
    ttl_s = commands_of(plan(), HOME, epoch=0)[0].ttl_s
    for reported in (f"{ttl_s:g} s", f"every {ttl_s / 3:g} s", f"{LEASE_S:g} s", f"{STOP_S:g} s"):
        assert reported in TEXT, reported


@pytest.mark.parametrize("page", [DISPATCH, ROOT / "docs" / "ems" / "dispatch_runbook.md"], ids=lambda page: page.stem)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    named = re.findall(r"\]\(([^)#:]+?)\)", text)
    assert named
    assert [each for each in named if not (page.parent / each).exists()] == []
    code = re.findall(r"`((?:controls|tests|orchestration|assets|deploy)/[\w./@-]+)`", text)
    assert [each for each in code if not (ROOT / each).exists()] == []
