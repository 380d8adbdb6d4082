"""Every register of a site can be chosen on the energy page and in its series: PV, battery, what is fed in."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from assets.stores.lake.lake import Lake
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock, local_midnight_utc, zone
from orchestration.open_project import OpenProject
from orchestration.web.pages.energy_pages import TAKES, energy_input
from orchestration.web.request_context import Context
from reports.pages.address import read_address
from reports.pages.chart import Chart, chart_table
from reports.pages.energy import EnergyInput, energy_page
from tests.reports import plant
from tests.web.marts_world import THEO, VERA, Asking, make_project, plant_of_the_web

EXPORT = "meter:main/export"
SCOPES = {EXPORT: "Main, export", "meter:pv/value": "pv, value", "meter:store/charge": "store, charge",
          "meter:store/discharge": "store, discharge"}  # fmt: skip
# The last of them has 23 hours; a day before was not read from noon on, and one quarter hour is estimated.
FIRST, AFTER, HALF = date(2025, 3, 17), date(2025, 3, 31), date(2025, 3, 26)
GUESSED = datetime(2025, 3, 25, 9, tzinfo=UTC)
# After all of it was recorded.
NOW = FixedClock(plant.NOON + timedelta(hours=1))


def site_with_registers() -> Site:
    """The plant that feeds in, with modules and a battery."""
    site = plant_of_the_web()
    main = site.meters[0].model_copy(update={"registers": (Register(), Register(register_id="export"))})
    pv = Meter(meter_id="pv", parent="main", accuracy_class="B", registers=(Register(register_id="value"),))
    kinds = (Register(register_id="charge"), Register(register_id="discharge"), Register(register_id="q", unit="kvarh"))
    store = Meter(meter_id="store", parent="main", registers=kinds)
    return site.model_copy(update={"meters": (main, *site.meters[1:], pv, store)})


def register_rows() -> pl.DataFrame:
    """Quarter hours of every register: each its own amount, another one each quarter hour."""
    model = plant.plant_rows(date(2025, 3, 1), date(2025, 3, 2)).head(1)
    first = local_midnight_utc(FIRST, plant.ZONE)
    count = int((local_midnight_utc(AFTER, plant.ZONE) - first) / timedelta(minutes=15))
    frames = []
    for number, scope in enumerate(SCOPES):
        meter, register = scope.removeprefix("meter:").split("/")
        starts = [first + timedelta(minutes=15) * at for at in range(count)]
        rows = pl.concat([model] * count).with_columns(
            meter_id=pl.lit(meter), register=pl.lit(register), unit=pl.lit("kwh"),
            interval_start_utc=pl.Series(starts, dtype=model.schema["interval_start_utc"]),
            value=pl.Series([(number + 1) + (at % 7) / 8 for at in range(count)]).cast(model.schema["value"]),
            source_line=pl.int_range(2, count + 2).cast(model.schema["source_line"]),
            quality_code=pl.when(pl.Series(starts) == GUESSED)
            .then(int(QualityCode.ESTIMATED_INTERPOLATED)).otherwise(0).cast(model.schema["quality_code"]),
        )  # fmt: skip
        frames.append(rows)
    local = pl.col("interval_start_utc").dt.convert_time_zone(plant.ZONE)
    return pl.concat(frames).filter((local.dt.date() != HALF) | (local.dt.hour() < 12))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    made = make_project(tmp_path_factory.mktemp("registers") / "project", site_with_registers(), has_marts=False)
    plant.write(Lake(made.project.lake_dir, made.store), register_rows(), FixedClock(plant.NOON), name="registers.csv")
    yield made
    made.close()


@pytest.fixture
def vera(project: OpenProject) -> Asking:
    return Asking(project, NOW, VERA)


def given(project: OpenProject, **query: str) -> EnergyInput:
    address = read_address("/energy", list(query.items()), takes=TAKES)
    return energy_input(Context(project=project, person=VERA, address=address, clock=NOW))


def by_hand(scope: str, grain: str) -> dict[str, Decimal]:
    """Sums of the rows that were written, by the text of the local time that an interval of the grain shares."""
    meter, register = scope.removeprefix("meter:").split("/")
    rows = register_rows().filter((pl.col("meter_id") == meter) & (pl.col("register") == register))
    shared = {"quarter": "%F %H:%M %z", "hour": "%F %H %z", "day": "%F"}[grain]
    found: dict[str, Decimal] = {}
    for at, value in rows.select("interval_start_utc", "value").iter_rows():
        key = at.astimezone(zone(plant.ZONE)).strftime(shared)
        found[key] = found.get(key, Decimal(0)) + Decimal(str(value))
    return found


def charts_of(found: EnergyInput) -> list[Chart]:
    blocks = [block for part in energy_page(found).parts for block in part.blocks]
    cards = [each.chart for block in blocks if block.kind == "cards" for each in block.widgets]
    return [each for each in (*blocks, *cards) if isinstance(each, Chart)]


def test_the_picker_offers_every_register_of_energy_by_its_meters_name(project: OpenProject, vera: Asking) -> None:
    page = vera.get("/energy").text
    for scope, name in SCOPES.items():
        assert f'value="{scope}"' in page
        assert name in page
    # Consumption is the meter itself; reactive energy and water are no kWh.
    for other in ("meter:main/import", "meter:store/q", "meter:water/import"):
        assert other not in page
    listed = {each["scope"]: each for each in vera.json("/scopes", site="plant")["rows"]}
    assert {scope: listed[scope]["kind"] for scope in SCOPES} == dict.fromkeys(SCOPES, "register")


@pytest.mark.parametrize("grain", ["quarter", "hour", "day"])
def test_every_interval_of_a_register_is_the_sum_of_its_readings_on_page_csv_and_in_the_series(
    project: OpenProject, vera: Asking, grain: str
) -> None:
    for scope in SCOPES:
        query = {"site": "plant", "scope": scope, "period": "2025-03-24/2025-03-31", "grain": grain}
        found, shared = given(project, **query), {"quarter": "%F %H:%M %z", "hour": "%F %H %z", "day": "%F"}[grain]
        expected, local = by_hand(scope, grain), zone(plant.ZONE)
        for point in found.points:
            assert point.value == expected.get(point.start_utc.astimezone(local).strftime(shared)), point
        lines = list(csv.DictReader(io.StringIO(vera.get("/energy.csv", **query).text)))
        rows = vera.json("/series", **query)["rows"]
        values = [None if each.value is None else float(each.value) for each in found.points]
        assert [float(line["kwh"]) if line["kwh"] else None for line in lines] == values
        assert [each["value"] for each in rows] == values
        table = chart_table(charts_of(found)[0])
        assert [row.cells[1].text == "–" for row in table.rows] == [each is None for each in values]
        # The name of consumption is for consumption.
        assert charts_of(found)[0].rows[0].label == "Energy"
        assert found.uses == ()


def test_a_register_has_its_total_comparison_heat_map_and_what_is_to_be_known_of_it(project: OpenProject) -> None:
    found = given(project, scope=EXPORT, period="2025-03-24/2025-03-31", grain="day", compare="previous")
    total = sum(by_hand(EXPORT, "day")[f"2025-03-{day}"] for day in range(24, 31))
    before = sum(by_hand(EXPORT, "day")[f"2025-03-{day}"] for day in range(17, 24))
    assert (found.totals["register_kwh"].value, found.totals["compared/register_kwh"].value) == (total, before)
    assert set(found.totals) == {"register_kwh", "compared/register_kwh", "change/register_kwh"}
    assert [each.before for each in found.points] == [by_hand(EXPORT, "day")[f"2025-03-{day}"] for day in range(17, 24)]
    assert {each.key for each in charts_of(found)} == {"energy", "heat", "typical"}
    assert sum(len(day) for day in found.heat.values()) == 6 * 24 + 23 - 12
    half = next(each for each in found.points if each.start_utc.day == HALF.day - 1 and each.start_utc.hour == 23)
    assert (half.coverage, half.codes) == (0.5, ("gap",))
    guessed = next(each for each in found.points if each.start_utc.date() == GUESSED.date() - timedelta(days=1))
    assert guessed.estimated_share == pytest.approx(1 / 96)


def test_every_number_of_a_register_is_a_figure_that_is_made_again(project: OpenProject, vera: Asking) -> None:
    query = {"site": "plant", "scope": EXPORT, "period": "2025-03-24/2025-03-27"}
    for grain in ("day", "hour"):
        found = given(project, **query, grain=grain, compare="previous")
        whys = [(each.value, each.why) for each in found.points[:3]]
        page = energy_page(found)
        cards = [
            each for part in page.parts for block in part.blocks if block.kind == "cards" for each in block.widgets
        ]
        numbers = [one for each in cards if each.value is not None for one in (each.value, *each.numbers)]
        by_id = {each.figure_id: each.value for each in found.totals.values()}
        whys += [(by_id[each.figure_id], each.why) for each in numbers]
        assert len(whys) == 6
        for value, why in whys:
            assert value is not None
            answer = vera.get(why.replace("/why", "/api/v1/ems/why", 1)).said
            assert (answer["is_equal"], answer["figure"]["value"]) == (True, float(value)), why
            assert vera.get(why).status == 200
    for grain in ("quarter", "hour", "day"):
        row = vera.json("/series", **query, grain=grain)["rows"][1]
        told = vera.json(f"/figures/{row['figure_id']}")
        assert (told["is_equal"], told["recomputed"], told["figure"]["kpi"]) == (True, row["value"], "register_kwh")
    # Behind the last, a day: its own quarter hours, and none of the consumption that the meter counts too.
    readings = vera.json(f"/figures/{row['figure_id']}/rows")
    assert (readings["total"], {each["register"] for each in readings["rows"]}) == (96, {"export"})


def test_an_unknown_register_and_somebody_elses_are_refused_in_one_sentence(vera: Asking) -> None:
    for path in ("/energy", "/energy.csv", "/api/v1/ems/series"):
        span = {"range" if "series" in path else "period": "2025-03-24"}
        found = vera.get(path, [("accept", "application/json")], scope="meter:main/exprt", **span)
        assert (found.status, "did you mean 'meter:main/export'?" in found.text) == (404, True)
        theo = Asking(vera.project, vera.clock, THEO)
        hidden = theo.get(path, [("accept", "application/json")], scope=EXPORT, **span)
        assert (hidden.status, hidden.said["code"], "pv" in hidden.text) == (404, "unknown_scope", False)
    theirs = Asking(vera.project, vera.clock, THEO)
    assert not any(scope in theirs.get("/energy").text for scope in SCOPES)
    row = vera.json("/series", scope=EXPORT, range="2025-03-24", grain="day")["rows"][0]
    why = {"scope": EXPORT, "kpi": "register_kwh", "period": "2025-03-24"}
    assert theirs.get("/api/v1/ems/why", **why).status == theirs.get(f"/api/v1/ems/figures/{row['figure_id']}").status
    assert theirs.get("/api/v1/ems/why", **why).status == 404
    # No KPI, board or other scope answers for a register, and no register for another scope.
    assert vera.get("/api/v1/ems/kpis", scope=EXPORT, range="2025-03").status == 404
    assert vera.get("/api/v1/ems/why", **{**why, "scope": "site:plant"}).said["code"] == "no_number"
    assert vera.get("/api/v1/ems/why", **{**why, "period": "2010-01-01/2026-01-01"}).said["code"] == "no_number"


def test_a_period_without_readings_of_the_register_names_the_nearest_month_that_has_some(project: OpenProject) -> None:
    found = given(project, scope=EXPORT, period="2025-01", grain="day")
    assert found.points == ()
    assert [text for text, _ in found.links] == ["The nearest month with readings: 2025-03"]
