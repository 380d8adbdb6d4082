"""The oracle can fail, and asks every command and every page there is. The recording itself is made by hand."""

from pathlib import Path

import pytest

from tests.oracle import examples, seams
from tests.oracle.compare import compare
from tests.oracle.volatile import PATTERNS, make_steady, steady

KWH = '{\n "value": 12.5\n}\n'


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two equal recordings."""
    for side in ("a", "b"):
        for name in ("commands/kpis.json", "commands/next.json", "pages/energy"):
            path = tmp_path / side / "demo" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(KWH)
    return tmp_path / "a", tmp_path / "b"


def test_equal_recordings_are_equal(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(*pair) == 0
    assert capsys.readouterr().out == "3 answers before, 3 after: 0 differ\n"


def test_what_is_changed_gone_and_added_is_listed_by_kind(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (pair[1] / "demo/commands/kpis.json").write_text(KWH.replace("12.5", "12.6"))
    (pair[1] / "demo/commands/next.json").unlink()
    (pair[1] / "demo/pages/why").write_text("new")
    assert compare(*pair) == 1
    told = capsys.readouterr().out
    for line in ("demo/commands: 1 changed", '- "value": 12.5', '+ "value": 12.6', "demo/commands: 1 gone"):
        assert line in told
    assert "demo/pages: 1 added\n  demo/pages/why\n" in told
    assert "3 differ" in told


def test_an_intended_correction_is_allowed_by_name_and_nothing_else_is(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    allow = tmp_path / "allow.yaml"
    allow.write_text("- {answers: demo/commands/kpis.*, reason: half up and not half even}\n")
    (pair[1] / "demo/commands/kpis.json").write_text(KWH.replace("12.5", "12.6"))
    assert compare(*pair, allow) == 0
    assert "demo/commands/kpis.json (intended: half up and not half even)" in capsys.readouterr().out
    (pair[1] / "demo/pages/energy").write_text("")
    assert compare(*pair, allow) == 1


def test_a_correction_without_a_reason_and_an_empty_recording_are_refused(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    allow = tmp_path / "allow.yaml"
    allow.write_text("- {answers: '*'}\n")
    with pytest.raises(ValueError, match="reason"):
        compare(*pair, allow)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no recording"):
        compare(pair[0], tmp_path / "empty")


@pytest.mark.parametrize(
    ("names", "table"), [(seams.command_words(), examples.COMMANDS), (seams.get_routes(), examples.ROUTES)]
)
def test_every_command_and_route_has_an_example_or_a_reason(
    names: list[str], table: dict[str, tuple[str, ...] | examples.LeftOut]
) -> None:
    assert examples.unanswered(names, table) == []
    assert table.keys() - set(names) == set()
    assert examples.unanswered(["a new one"], table) == ["a new one"]
    assert all(asked.reason for asked in table.values() if isinstance(asked, examples.LeftOut))


@pytest.mark.parametrize(
    "kept",
    [
        '"value": 12.5', "12,600 kWh", "1089.27 EUR", "0.352 kgCO2e", "2026-01-05T12:00:00Z", "2026-01-05 12:15Z",
        "2025-12-10 12:05", "c3a78533b0e285db", '"gap": 0.01', "in 3 spells, from 12:05",
    ],
)  # fmt: skip
def test_what_is_no_accident_of_a_recording_stays(kept: str) -> None:
    assert steady(kept, {}, frozenset()) == kept


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('"recorded_at_utc": "2026-01-05T12:03:04.5Z"', "instant of the demo's run"),
        ("as known at 2026-01-05 13:05", "instant of the demo's run"),
        ("solved in 0.03 s", "seconds"),
        ('"next": "MTAwLmE0YzgwZTIyYWQ5NGVlYzg"', "cursor"),
        ("SHA256:" + "a" * 43, "fingerprint of a key"),
        ("event 366, at 2026", "place in the ledger"),
    ],
)
def test_each_pattern_is_met(text: str, name: str) -> None:
    assert PATTERNS[name].search(text)
    assert f"<{name}>" in steady(text, {}, frozenset())


def test_an_id_is_named_by_its_place_also_where_only_its_beginning_is_shown(tmp_path: Path) -> None:
    long, table = tmp_path / "long", tmp_path / "table"
    long.write_text(f"{'ab' * 32} {'cd' * 16} {'ab' * 32}")
    table.write_text("abababababab c3a78533b0e285db /any/place/x")
    make_steady([long, table], {"/any/place": "work"})
    assert long.read_text() == "<id 1> <id 2> <id 1>"
    assert table.read_text() == "<id 1> c3a78533b0e285db <work>/x"
