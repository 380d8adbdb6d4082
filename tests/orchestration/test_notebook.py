"""A notebook works in a copy of its project, names no folder of it, and gets readings whose gaps stay gaps."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partialmethod
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.stores.lake.lake import Lake
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Period, zone
from orchestration.notebook import NoProject, NotebookCall, as_markdown, draw, open_demo, table
from orchestration.operations.answer import Answer, Table
from orchestration.operations.control.dispatch import mode
from orchestration.operations.readings.meters import meters_list
from tests.web.marts_world import make_project, plant_of_the_web


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three months of readings."""
    folder = tmp_path_factory.mktemp("notebook") / "plant"
    make_project(folder, plant_of_the_web(), has_marts=False).close()
    return folder


@pytest.fixture
def call(origin: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotebookCall]:
    """A call in a copy of it."""
    monkeypatch.setenv("METERLOOM_PROJECT", str(origin))
    opened = open_demo()
    yield opened
    opened.project.close()


def test_the_last_whole_months_and_days_of_readings(call: NotebookCall) -> None:
    assert call.last_months("plant") == "2025-03-01/2025-04-01"
    assert call.last_months("plant", 3) == "2025-01-01/2025-04-01"
    assert call.last_days("plant", 7) == "2025-03-25/2025-04-01"
    with pytest.raises(BadInput, match="fewer than 4 whole months"):
        call.last_months("plant", 4)
    with pytest.raises(BadInput, match="fewer than 400 whole days"):
        call.last_days("plant", 400)


def test_a_month_that_is_not_over_is_not_whole(call: NotebookCall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lake, "span", lambda *_: (date(2024, 1, 1), date(9999, 1, 1)))
    # By the clock of the site: its month begins before or after that of UTC.
    today = call.clock.now_utc().astimezone(zone(call.project.site("plant").time_zone)).date()
    start, end = call.last_months("plant").split("/")
    assert start < end == f"{today:%Y-%m}-01"


def test_streams_are_the_readings_with_sums_of_energy_and_a_gap_as_a_gap(call: NotebookCall) -> None:
    days = call.streams("plant", "2025-02", every="1d")
    span = Period(
        label="", start=date(2025, 2, 1), end=date(2025, 3, 1), time_zone=call.project.site("plant").time_zone
    )
    rows = call.project.lake.current("plant", start_utc=span.start_utc, end_utc=span.end_utc, meters=["moulding"])
    assert days["moulding"].sum() == pytest.approx(float(rows["value"].cast(pl.Float64).sum()))
    # Of this meter a day was lost.
    assert days.filter(pl.col("hvac").is_null())["at"].dt.date().to_list() == [date(2025, 2, 11)]
    assert days.height == 28


def test_amounts_of_any_unit_are_summed_and_levels_are_means(call: NotebookCall) -> None:
    quarters, days = (call.streams("plant", "2025-02", every=step) for step in ("15m", "1d"))
    for name, whole in (("pieces", pl.col("pieces").sum()), ("outdoor_degc", pl.col("outdoor_degc").mean())):
        expected = quarters.group_by(pl.col("at").dt.date(), maintain_order=True).agg(whole)[name]
        assert days[name].to_list() == pytest.approx(expected.to_list()), name


def test_what_a_notebook_does_stays_in_its_copy(call: NotebookCall, origin: Path) -> None:
    call.person = "carla"
    before = {path: path.read_bytes() for path in origin.rglob("*") if path.is_file()}
    assert call.folder != origin
    with pytest.raises(BadInput):
        mode(call, "PARTIAL", site="plant", reason="nobody of this project may")
    (call.folder / "sites" / "plant.yaml").unlink()
    assert {path: path.read_bytes() for path in origin.rglob("*") if path.is_file()} == before


def test_the_copy_goes_with_its_call(origin: Path) -> None:
    opened = NotebookCall(origin)
    folder = opened.folder
    assert (folder / "meterloom.yaml").exists()
    del opened
    assert not folder.exists()


def test_a_day_that_lacks_hours_has_no_sum(call: NotebookCall, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = call.streams("plant", "2025-02", every="1d")
    monkeypatch.setattr(Lake, "current", partialmethod(torn, Lake.current))
    days = call.streams("plant", "2025-02", every="1d")
    assert days.filter(pl.col("moulding").is_null())["at"].dt.date().to_list() == [date(2025, 2, 3)]
    assert days["moulding"][3:].equals(whole["moulding"][3:])
    hours = call.streams("plant", "2025-02-03", every="1h")["moulding"]
    assert (hours.is_null().sum(), hours.len()) == (1, 24)


def torn(lake: Lake, read: Any, *asked: Any, **more: Any) -> Any:
    """Readings without a quarter hour of one meter."""
    at = pl.lit(datetime(2025, 2, 3, 12, 15, tzinfo=UTC))
    return read(lake, *asked, **more).filter(
        ~((pl.col("meter_id") == "moulding") & (pl.col("interval_start_utc") == at))
    )


@pytest.mark.parametrize(
    "key", ["DATABASE__URL", "PATHS__DATA", "PATHS__REPORTS", "PATHS__LAKE", "PATHS__ANCHORS_ALSO"]
)
def test_a_project_whose_copy_would_write_to_it_is_refused(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    places = {"DATABASE__URL": "postgresql://nobody@127.0.0.1/none", "PATHS__LAKE": "s3://bucket/lake"}
    monkeypatch.setenv(f"METERLOOM_{key}", places.get(key, str(tmp_path)))
    monkeypatch.setenv("METERLOOM_PROJECT", str(origin))
    with pytest.raises(NoProject, match=f"and {key.replace('__', '.').lower()} of plant would be shared"):
        open_demo()
    # Where it is inside, and where keys lie.
    monkeypatch.setenv(f"METERLOOM_{key}", "")
    monkeypatch.setenv("METERLOOM_PATHS__REPORTS", "out/reports")
    monkeypatch.setenv("METERLOOM_PATHS__KEYS", str(tmp_path))
    if key not in {"PATHS__DATA", "PATHS__REPORTS"}:
        open_demo()


def test_an_answer_is_a_table_that_ends_somewhere_and_names_no_folder(call: NotebookCall) -> None:
    shown = call.tell(meters_list(call, site="plant"), most=2)
    assert shown.markdown is not None
    assert shown.markdown.splitlines()[1].startswith("| --- |")
    assert "more rows" in shown.markdown
    answer = Answer({"rows": []}, Table("rows", "a | b", empty="no row"), f"in {call.folder}/pack.zip\n  a|b")
    assert call.tell(answer).text == "no row\n\nin plant/pack.zip  \n&emsp;a&#124;b"
    assert call.option == " --project plant"


def test_a_chart_says_its_figures_instead_of_its_markup() -> None:
    shown = draw("Power", "kw", ["a", "b"], {"load": [1.0, None]}, shape="bars")
    assert shown.svg is not None
    assert repr(shown) == "Power, kW. load: a 1.00; b not known"


def test_markdown_of_a_notebook_and_its_table() -> None:
    assert as_markdown("\n".join(table(["a|b"], [["1"]]))).markdown == "| a&#124;b |\n| --- |\n| 1 |"


def test_a_notebook_without_a_project_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERLOOM_PROJECT", str(tmp_path))
    with pytest.raises(NoProject, match="no Meterloom project in"):
        open_demo()
