"""CSV that Home Assistant and evcc export: counters, powers and charging sessions; what is cut or unclear is named."""

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from assets.readings.sniff_files import read_file, sniff_file
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.site import ColumnMap, Site
from orchestration.cli.main import build_app
from tests.readings.history_files import HISTORY
from tests.readings.rooms import Bench, plant

GRID, POWER, OUTDOOR = "sensor.grid_import", "sensor.heat_pump_power", "sensor.outdoor"
MAP = ColumnMap(
    values={GRID: "main", POWER: "press", OUTDOOR: "outdoor_degc"},
    units={GRID: "kwh", POWER: "w", OUTDOOR: "degc"},
    other_meters="skip",
)
SESSIONS = Path(__file__).parent / "samples" / "evcc_german.csv"


def test_a_counter_a_power_and_a_temperature_become_quarter_hours(bench: Bench) -> None:
    report = bench.ingest(HISTORY, mapping=MAP)
    assert report.format == "home_assistant_history"
    # 5100.0 at 10:00, then by interpolation and snap; after the fall the count begins anew.
    assert bench.values()[:3] == pytest.approx([0.5, 0.5, 0.5], abs=0.01)
    assert "register_reset_suspected" in [finding.code for finding in report.findings]
    # 1200 W for half of the quarter hour and 600 W for the other; unknown is no zero, and 0 W is one.
    assert bench.values("press") == pytest.approx([0.225, 0.200125, 0.0, 0.0])
    assert bench.values("outdoor_degc", "value") == [4.5, 4.5]
    assert report.warnings["missing_intervals"] == 2


def test_energy_in_wh_is_a_thousandth_and_never_guessed(bench: Bench) -> None:
    bench.ingest(HISTORY, mapping=MAP.model_copy(update={"units": MAP.units | {GRID: "wh"}}))
    assert bench.values()[0] == pytest.approx(0.0005, abs=1e-5)
    report = bench.ingest(HISTORY, mapping=ColumnMap(values={GRID: "main"}, other_meters="skip"))
    assert report.reasons == {"unknown_unit": 1}
    assert "sensor.grid_import" in report.message


def test_a_multiplier_of_the_column_map_counts_for_counters_and_means(bench: Bench) -> None:
    bench.ingest(HISTORY, mapping=MAP.model_copy(update={"multipliers": {GRID: 40.0, OUTDOOR: 0.01}}))
    assert bench.values()[:3] == pytest.approx([20.0, 20.0, 20.0], abs=0.4)
    assert bench.values("outdoor_degc", "value") == [0.045, 0.045]


def test_hourly_statistics_stand_at_the_end_of_their_hour(bench: Bench) -> None:
    lines = "".join(f"{GRID},{100 + hour}.0,2025-03-03T{hour:02}:00:00.000Z\n" for hour in range(6))
    report = bench.ingest(
        "entity_id,state,last_changed\n" + lines, mapping=MAP.model_copy(update={"values": {GRID: "main"}})
    )
    assert report.warnings["hourly_statistics"] == 6
    assert bench.starts()[0].hour == 1
    assert bench.values() == [0.25] * 20


def test_what_is_cut_or_missing_is_refused_by_its_name(bench: Bench) -> None:
    cut = bench.ingest(HISTORY[:-12], mapping=MAP)
    assert cut.reasons["unfinished_line"] == 1
    torn = HISTORY.replace(f"{POWER},600,2025-03-03T10:07:30.000Z", f"{POWER},600")
    assert bench.ingest(torn, mapping=MAP).reasons["field_count"] == 1
    local = HISTORY.replace("10:07:30.000Z", "10:07:30")
    assert bench.ingest(local, mapping=MAP).reasons["bad_timestamp"] == 1
    half = bench.ingest(HISTORY.replace(",last_changed", ",changed"), mapping=MAP)
    assert (half.verdict, half.reasons) == ("reject", {"missing_column": 1})
    assert "'last_changed'" in half.message
    text = HISTORY.replace(f"{POWER},600,", f"{POWER},low,")
    assert bench.ingest(text, mapping=MAP).reasons["not_a_number"] == 1


def test_an_entity_of_two_units_is_refused(bench: Bench) -> None:
    text = "entity_id,state,last_changed,unit_of_measurement\n" + "".join(
        f"{GRID},{n},2025-03-03T1{n}:00:00.500Z,{'kWh' if n < 2 else 'Wh'}\n" for n in range(4)
    )
    report = bench.ingest(text, mapping=ColumnMap(values={GRID: "main"}))
    assert (report.verdict, report.reasons) == ("reject", {"unit_mismatch": 1})
    assert "sensor.grid_import has two units, Wh and kWh" in report.message


def test_init_asks_for_the_units_and_then_reads(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    app, folder = build_app(("init", "ingest")), tmp_path / "house"
    made = CliRunner().invoke(app, ["init", str(folder), "--from", str(path), "--tz", "Europe/Berlin"])
    assert made.exit_code == 0, made.output
    words = ["ingest", str(path), "--site", "house", "--project", str(folder)]
    assert "sensor.grid_import: no unit" in CliRunner().invoke(app, words).output
    site = folder / "sites" / "house.yaml"
    text = site.read_text().replace("    # units:", "    units:")
    for entity, unit in ((GRID, "kwh"), (POWER, "w")):
        text = text.replace(f'      # "{entity}": ', f'      "{entity}": {unit} ')
    site.write_text(text)
    taken = CliRunner().invoke(app, words)
    assert taken.exit_code == 0, taken.output
    assert "home_assistant_history" in taken.output


def garage(*, kind: str) -> Site:
    return plant(
        meters=(
            Meter(meter_id="wallbox", registers=(Register(kind=kind),)),  # type: ignore[arg-type]
            Meter(meter_id="carport"),
        ),
        drivers=(),
    )


CHARGERS = ColumnMap(meters={"Garage": "wallbox", "Carport": "carport"})


def test_sessions_of_a_counting_charger_keep_every_watt_hour(bench: Bench) -> None:
    report = bench.ingest(SESSIONS, site=garage(kind="cumulative"), mapping=CHARGERS)
    assert (report.rejected_rows, report.warnings["open_sessions"]) == (0, 1)
    assert sum(bench.values("wallbox")) == pytest.approx(9.25)
    # 18:02 to 20:31 in Berlin: ten quarter hours, none of them measured by itself.
    rows = bench.lake.current("plant", meters=["wallbox"])
    assert set(rows["quality_code"]) == {int(QualityCode.ESTIMATED_INTERPOLATED)}
    assert bench.values("wallbox")[:10] == [0.85] * 10


def test_charged_energy_without_a_register_is_spread_and_marked(bench: Bench) -> None:
    bench.ingest(SESSIONS, site=garage(kind="interval"), mapping=CHARGERS)
    assert sum(bench.values("wallbox")) == pytest.approx(9.25)
    assert bench.values("carport") == [1.0] * 6
    assert set(bench.lake.current("plant")["quality_code"]) == {int(QualityCode.ESTIMATED_INTERPOLATED)}


@pytest.mark.parametrize(
    "heading",
    [
        "Created,Finished,Loadpoint,Identifier,Vehicle,Odometer,Meter Start (kWh),Meter Stop (kWh),"
        "Charged Energy (kWh),Charge Duration,Solar (%),Price,Price/kWh,CO2/kWh (gCO2eq)",
        "Created,Finished,Charging point,Identifier,Vehicle,Mileage (km),Meter start (kWh),Meter stop (kWh),"
        "Energy (kWh),Duration,Solar (%),Cost,Price/kWh,CO₂/kWh",
    ],
)
def test_headings_of_other_versions_and_languages_are_known(heading: str, tmp_path: Path) -> None:
    path = tmp_path / "sessions.csv"
    path.write_text("\n".join([heading, *SESSIONS.read_text().splitlines()[1:]]) + "\n")
    report = sniff_file(path, tz="Europe/Berlin")
    assert (report.format, {each.meter: each.sum_kwh for each in report.channels}) == (
        "evcc",
        {"Garage": 9.25, "Carport": 6.0},
    )


def test_half_a_session_is_no_session(bench: Bench) -> None:
    text = SESSIONS.read_text()
    cut = bench.ingest(text[:-20], site=garage(kind="interval"), mapping=CHARGERS)
    assert (cut.verdict, cut.reasons) == ("reject", {"truncated": 1})
    other = bench.ingest(text.replace("Energie (kWh)", "Menge"), site=garage(kind="interval"), mapping=CHARGERS)
    assert (other.verdict, other.reasons) == ("reject", {"missing_column": 1})
    back = text.replace("2025-03-03 20:31:40", "2025-03-03 16:31:40")
    assert bench.ingest(back, site=garage(kind="interval"), mapping=CHARGERS).reasons == {"bad_interval": 1}


@given(place=st.integers(0, 400), length=st.integers(0, 40), put=st.binary(max_size=12))
@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("name", ["history", "sessions"])
def test_whatever_stands_in_an_export_is_read_or_refused(name: str, place: int, length: int, put: bytes) -> None:
    body = HISTORY.encode() if name == "history" else SESSIONS.read_bytes()
    site, mapping = (plant(), MAP) if name == "history" else (garage(kind="cumulative"), CHARGERS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.csv"
        path.write_bytes(body[: place % len(body)] + put + body[place % len(body) + length :])
        # A sentence or rows; anything else is raised.
        with suppress(BadInput):
            found = read_file(path, site=site, mapping=mapping, may_hold_none=True)
            assert found.rows["value"].is_finite().all()
            assert found.rejects.height == found.report.rejected_rows


def test_a_session_in_the_hour_that_comes_twice_is_refused(bench: Bench) -> None:
    text = SESSIONS.read_text().replace(
        "2025-03-04 09:00:00,2025-03-04 10:30:00", "2025-10-26 02:10:00,2025-10-26 05:00:00"
    )
    report = bench.ingest(text, site=garage(kind="interval"), mapping=CHARGERS)
    assert report.reasons == {"bad_timestamp": 1}
    assert not bench.values("carport")
