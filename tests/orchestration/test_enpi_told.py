"""An EnPI as people read it: the answer first, rounded, with units; no energy where no day was compared."""

from typing import Any

import pytest

from orchestration.cli.frame import show
from orchestration.operations.answer import Answer
from orchestration.operations.baselines.enpi import enpi_parts
from reports.writer import words
from tests.kpi_enpi.test_assessment import assess, pairs


def printed(capsys: pytest.CaptureFixture[str], days: list[Any], **more: Any) -> list[str]:
    """The lines that `enpi` prints of these days."""
    given = {"savings_kwh": 270.0, "claimed_kwh": None, "not_claimed": "", "findings": [], "alerts": []} | more
    version = {"version": given.pop("version")} if "version" in given else {}
    data = assess(days, **version).model_dump(mode="json") | given
    show(Answer(data, enpi_parts(data, use="Moulding", site="plant")), is_json=False)
    return capsys.readouterr().out.splitlines()


def test_the_answer_stands_first_then_the_saving_and_the_months(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, pairs())
    assert lines[0] == "Moulding, plant, 2025-01-01 to 2025-03-31: EnPI 0.970, on target"
    assert lines[1] == "metered 8,730 kWh, expected 9,000 kWh (-3.0 %)"
    assert lines[2].startswith("saved 270 kWh ± ")
    assert lines[5].split() == [
        "month",
        "metered",
        "kWh",
        "expected",
        "kWh",
        "EnPI",
        "deviation",
        "%",
        "status",
        "days",
        "compared",
    ]
    assert lines[6].split() == ["2025-01", "3,007", "3,100", "0.970", "-3.0", "on", "target", "31", "of", "31"]


def test_a_quarter_that_improved_is_called_so_in_every_table_as_on_the_pages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged: list[tuple[Any, ...]] = [(0.969, "compliant", -3.1), (0.975, "compliant", -2.5), (1.06, "critical", 6.0)]
    judged.append((None, "not_assessable", None))
    names = ("enpi", "status", "deviation_percent")
    quarters = [
        {"label": f"2025-Q{number}", "baseline_version": 1, **dict(zip(names, each, strict=True))}
        for number, each in enumerate(judged, start=1)
    ]
    lines = printed(capsys, pairs("94"), trend=quarters)
    assert lines[0].endswith(", improved")
    assert lines[6].split()[-4:] == ["improved", "31", "of", "31"]
    tail = [" ".join(line.split()[3:]) for line in lines[-4:]]
    assert tail == ["improved", "on target", words("critical").lower(), "not assessable"]
    assert [line.split()[:3] for line in lines[-4:-2]] == [["2025-Q1", "v1", "0.969"], ["2025-Q2", "v1", "0.975"]]


def test_a_saving_that_may_not_be_claimed_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, pairs(), savings_kwh=None, not_claimed="extrapolation")
    assert lines[2] == "no saving is claimed: drivers outside the baseline's range"


def test_what_cannot_be_assessed_says_why_and_shows_no_energy_of_no_day(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, [], version=None, savings_kwh=None, not_claimed="no_baseline")
    assert lines[0].endswith("not assessable, no baseline")
    assert lines[1] == "metered 0 kWh; nothing to compare it with"
    assert lines[-2].split() == ["2025-03", *"––––", "not", "assessable", "0", "of", "31"]
    assert lines[-1] == "look again: too few complete days"
