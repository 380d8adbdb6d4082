"""Meter events as data: what each kind needs, and when it was."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from assets.sites.load_sites import load_site
from data_quality.contracts.site_file.meter import Register
from data_quality.contracts.site_file.meter_event import EventKind, MeterEvent
from data_quality.contracts.yaml_file import BadConfiguration
from data_quality.rules.register_rules import missing_reads

SITE = """site_id: plant
name: Plant
time_zone: Europe/Berlin
currency: EUR
country: DE
meters:
  - meter_id: main
    registers: [{{register_id: import, kind: cumulative, digits: 6, multiplier: {multiplier}}}]
    events:
{events}
"""
CHANGE = (
    "      - {{kind: multiplier_change, at: {at}, multiplier_old: {old}, multiplier_new: {new}, "
    "person: a, reason: b}}\n"
)


def event(kind: str, **fields: object) -> MeterEvent:
    body = {"kind": kind, "at": datetime(2025, 1, 1, 12, tzinfo=UTC), "person": "anna", "reason": "work order"}
    return MeterEvent.model_validate(body | fields)


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("multiplier_change", {}, "needs multiplier_old and multiplier_new"),
        ("exchange", {"multiplier_new": 2}, "belong together"),
        ("reset", {"multiplier_old": 1, "multiplier_new": 2}, "changes no multiplier"),
        ("rollover", {"final_read": 99999}, "goes on counting"),
        ("exchange", {"wraps_at": 1000}, "belongs to a rollover"),
        ("exchange", {"final_read": -1}, "greater than or equal to 0"),
        ("exchange", {"final_read": "nan"}, "finite"),
        ("exchange", {"person": " "}, "at least 1 character"),
        ("exchange", {"reason": ""}, "at least 1 character"),
        ("explosion", {}, "exchange"),
        ("exchange", {"colour": "red"}, "Extra inputs"),
    ],
)
def test_an_event_that_contradicts_its_kind_is_refused(kind: str, fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        event(kind, **fields)


def test_what_is_missing_has_a_name_and_what_follows_from_the_kind_is_not_missing() -> None:
    assert missing_reads(event("exchange")) == ("exchange_without_final_read", "exchange_without_initial_read")
    assert missing_reads(event("reset")) == ("reset_without_final_read",)
    assert missing_reads(event("reset", final_read=7)) == ()
    assert missing_reads(event("rollover")) == ()
    change = {"multiplier_old": 1, "multiplier_new": 2}
    assert missing_reads(event("multiplier_change", **change)) == ("multiplier_change_without_final_read",)
    for name in ("final_read", "initial_read"):
        known = event("multiplier_change", **change, **{name: 5})
        assert (missing_reads(known), known.ends_at, known.begins_at) == ((), 5, 5)
    assert event("reset").begins_at == 0


def test_local_time_is_the_sites_and_must_be_one_instant() -> None:
    naive = event("exchange", at="2025-07-01T12:00")
    assert naive.at_utc("Europe/Berlin") == datetime(2025, 7, 1, 10, tzinfo=UTC)
    assert event("exchange", at="2025-07-01T12:00+02:00").at_utc("UTC") == datetime(2025, 7, 1, 10, tzinfo=UTC)
    with pytest.raises(ValueError, match="not at all"):
        event("exchange", at="2025-03-30T02:30").at_utc("Europe/Berlin")
    with pytest.raises(ValueError, match="twice"):
        event("exchange", at="2025-10-26T02:30").at_utc("Europe/Berlin")


def site_file(folder: Path, events: str, multiplier: object = 40) -> Path:
    path = folder / "plant.yaml"
    path.write_text(SITE.format(events=events, multiplier=multiplier))
    return path


def test_a_site_file_holds_events_and_registers_that_count(tmp_path: Path) -> None:
    text = CHANGE.format(at='"2025-01-01T08:00"', old=10, new=20) + CHANGE.format(
        at='"2025-02-01T08:00"', old=20, new=40
    )
    (meter,) = load_site(site_file(tmp_path, text)).meters
    assert [each.kind for each in meter.events] == [EventKind.MULTIPLIER_CHANGE] * 2
    register = meter.registers[0]
    assert (register.kind, register.digits, register.multiplier) == ("cumulative", 6, Decimal(40))


@pytest.mark.parametrize(
    ("text", "multiplier", "words"),
    [
        (CHANGE.format(at='"2025-01-01T08:00"', old=10, new=20), 40, "but it goes on with 40"),
        (
            CHANGE.format(at='"2025-01-01T08:00"', old=10, new=20)
            + CHANGE.format(at='"2025-02-01T08:00"', old=30, new=40),
            40,
            "but it goes on with 30",
        ),
        ('      - {kind: reset, at: "2025-03-30T02:30", person: a, reason: b}\n', 1, "not at all"),
        (
            "      - {kind: reset, register_id: export, at: 2025-03-01, person: a, reason: b}\n",
            1,
            "the meter has import",
        ),
        ("      - {kind: reset, at: 2025-03-01, person: a}\n", 1, "reason"),
    ],
)
def test_a_site_file_whose_events_cannot_be_is_refused_with_its_place(
    tmp_path: Path, text: str, multiplier: int, words: str
) -> None:
    with pytest.raises(BadConfiguration) as refused:
        load_site(site_file(tmp_path, text, multiplier))
    assert any(words in problem.message for problem in refused.value.problems)
    assert all(problem.file.endswith("plant.yaml") and problem.line > 0 for problem in refused.value.problems)


def test_a_display_wraps_at_one_number() -> None:
    assert Register(digits=5, wraps_at=100000).digits == 5
    with pytest.raises(ValidationError, match="say two things"):
        Register(digits=5, wraps_at=65536)
