"""Output of a command, rendered in one place: as JSON, as a table in which nothing is cut, as a sentence."""

import ast
import json
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from data_quality.contracts.model import plain
from data_quality.contracts.site_file.meter import Carrier
from orchestration.cli.frame import show
from orchestration.operations.answer import Answer, Table, filled
from tests.syntax import parsed

CLI = Path(__file__).resolve().parents[2] / "orchestration" / "cli"
AT = datetime(2025, 3, 1, 10, 15, tzinfo=UTC)


class Meter(BaseModel):
    """A row as a model."""

    name: str = "main"
    carrier: Carrier = Carrier.HEAT
    kwh: Decimal | None = Decimal("1234.50")
    parent: "Meter | None" = None
    parts: tuple[str, ...] = ()
    read_at_utc: datetime = AT


def cells(columns: str, row: Any = None, **functions: Any) -> list[str]:
    """The texts of one row."""
    return Table([Meter() if row is None else row], columns, **functions).cells({})[0]


def test_a_field_is_its_own_title_and_a_template_has_one() -> None:
    table = Table("meters", "name | read_at_utc | energy: {kwh:,.1f} kWh | : {name}")
    assert list(table.columns) == ["name", "read at utc", "energy", ""]
    assert table.cells({"meters": [Meter()]}) == [["main", "2025-03-01 10:15Z", "1,234.5 kWh", "main"]]


def test_a_row_may_be_a_model_a_mapping_or_a_tuple_and_a_field_may_lie_deeper() -> None:
    nested = Meter(parent=Meter(name="hall"))
    assert cells("parent.name | parent: {parent.parent.name}", nested) == ["hall", "-"]
    assert cells("from: {0.name} | to: {1.name}", (Meter(name="a"), {"name": "b"})) == ["a", "b"]


def test_nothing_is_a_dash_or_what_the_cell_says_and_zero_is_a_number() -> None:
    empty = {"value": None, "text": "", "parts": [], "zero": Decimal(0), "count": 0}
    assert cells("value | text | parts", empty) == ["-", "", ""]
    assert cells("a: {value:,.2f|unknown} | b: {text:|none} | c: {parts:|none}", empty) == ["unknown", "none", "none"]
    assert cells("a: {zero:,.2f|unknown} | b: {count:|none}", empty) == ["0.00", "0"]


def test_what_no_field_holds_comes_from_a_function_of_the_row() -> None:
    assert cells("name | size: {size:.3f} | parts", size=lambda row: row.kwh / 1000, parts=lambda row: None) == [
        "main",
        "1.234",
        "-",
    ]


def test_braces_bars_and_colons_in_data_are_only_data() -> None:
    row = {"name": "{kwh} | a: {b}", "kwh": 1}
    assert cells("name", row) == ["{kwh} | a: {b}"]
    assert Table([row], {"{kwh}: | x": "{name}"}).columns == {"{kwh}: | x": "{name}"}
    assert filled("{name}", row) == row["name"]


def test_seconds_are_kept_where_there_are_any() -> None:
    assert cells("at", {"at": AT.replace(second=7)}) == ["2025-03-01 10:15:07Z"]


def test_an_unknown_field_is_our_bug_and_no_empty_cell() -> None:
    with pytest.raises(KeyError):
        cells("nam", {"name": "x"})
    with pytest.raises(AttributeError):
        cells("nam")


def test_json_is_the_result_alone_and_people_see_table_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"meters": [Meter()], "day": date(2025, 1, 2), "at": time(6, 30), "path": Path("a/b")}
    answer = Answer(found, Table("meters", "name | energy: {kwh:,.1f}"), "one meter")
    show(answer, is_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "meters": [
            {
                "name": "main", "carrier": "heat", "kwh": 1234.5, "parent": None, "parts": [],
                "read_at_utc": "2025-03-01T10:15:00Z",
            }
        ],
        "day": "2025-01-02", "at": "06:30:00", "path": "a/b",
    }  # fmt: skip
    show(answer, is_json=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["name", "energy"], ["main", "1,234.5"], ["one", "meter"],
    ]  # fmt: skip


def test_a_file_gets_every_id_whole_and_an_empty_table_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    ids = ["f" * 64, "e" * 64, "d" * 64]
    show(Answer({"rows": [ids]}, Table("rows", "a: {0} | b: {1} | c: {2}")), is_json=False)
    assert capsys.readouterr().out.splitlines()[1].split() == ids
    show(Answer({"rows": []}, Table("rows", "id", empty="nothing is stored")), is_json=False)
    assert capsys.readouterr().out.splitlines()[-1] == "nothing is stored"


def shown(answer: Answer, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that people see."""
    show(answer, is_json=False)
    return capsys.readouterr().out.splitlines()


def test_numbers_stand_below_numbers_and_words_to_the_left(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("hall", "1,234.5", "0.5 kW", "98.0%", "2025-Q4"), ("office", "– a", "-12 kW", "–", "2025-03")]
    columns = "name: {0} | kWh: {1} | peak: {2} | read: {3} | when: {4}"
    assert shown(Answer({}, Table(rows, columns)), capsys) == [
        "name        kWh    peak   read  when",
        "hall    1,234.5  0.5 kW  98.0%  2025-Q4",
        "office      – a  -12 kW      –  2025-03",
    ]


def test_several_tables_stand_with_their_texts_between_them(capsys: pytest.CaptureFixture[str]) -> None:
    parts = ("first", Table([{"a": "x"}], "a"), "", Table([], "b", empty="none of it"))
    assert shown(Answer({}, parts, "last"), capsys) == ["first", "a", "x", "", "none of it", "last"]


def test_what_a_name_looks_like_to_a_terminal_is_not_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer({}, Table([{"scope": "site:factory: [bold]"}], "scope"), "consumption of site:factory: [red]x")
    assert shown(answer, capsys) == ["scope", "site:factory: [bold]", "consumption of site:factory: [red]x"]


@pytest.mark.parametrize(("width", "lines"), [(60, 1), (40, 2), (30, 4)])
def test_on_a_narrow_terminal_prose_gives_way_and_no_id_breaks(
    width: int, lines: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    row = {"id": "factory/hvac/enb@1", "why": "readings are missing on two days"}
    # Titles are bold on a terminal.
    found = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown(Answer({}, Table([row], "id | why")), capsys)]
    assert max(map(len, found)) <= width
    assert found[1].startswith("factory/hvac/enb@1")
    assert len(found) == 1 + lines


def test_a_model_is_the_json_of_its_command() -> None:
    assert plain(Answer(Meter()).result) == plain(Meter().model_dump())


def test_only_one_module_knows_how_answers_are_shown() -> None:
    knows = set()
    for path in CLI.rglob("*.py"):
        for node in ast.walk(parsed(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rich":
                knows.add(path.name)
            if isinstance(node, ast.Attribute) and node.attr == "stdout":
                knows.add(path.name)
    # The other shows what goes on before there is an answer.
    assert knows == {"frame.py", "terminal.py"}


def test_nothing_below_the_command_line_knows_it() -> None:
    root = CLI.parents[1]
    rooms = ("assets", "controls", "data_quality", "ml", "orchestration", "reports")
    files = [path for room in rooms for path in (root / room).rglob("*.py") if CLI not in path.parents]
    assert len(files) > 400
    texts = {path.name: path.read_text() for path in files}
    assert [name for name, text in texts.items() if "orchestration.cli" in text or '/ "cli"' in text] == []
