"""A factor recorded by command reaches KPIs and running carbon as it reaches the inventory, now and as of then."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.carbon.cases import written

# Each answer builds marts with the real dbt, and Dagster notices its own beta parts.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SITE = """\
site_id: works
name: Works
time_zone: Australia/Lord_Howe
currency: AUD
country: AU
floor_area_m2: 100
meters:
  - {meter_id: main}
  - {meter_id: gas, carrier: natural_gas}
"""
OTHER = SITE.replace("works", "rock").replace("Australia/Lord_Howe", "America/St_Johns").replace("AUD", "CAD")
MARCH = ("--period", "2025-03")


def answer(folder: Path, *words: object) -> Any:
    app = build_app(("init", "ingest", "carbon", "factors", "kpis", "running", "trace"))
    result = CliRunner().invoke(app, [*(str(word) for word in words), "--project", str(folder), "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


@pytest.fixture
def works(tmp_path: Path) -> Path:
    """A site in a zone of half hours, with two local days of quarter hours."""
    folder = tmp_path / "p"
    CliRunner().invoke(build_app(("init",)), ["init", str(folder)])
    for old in (folder / "sites").glob("my_site*"):
        old.unlink()
    add_site(folder, tmp_path, "works", SITE)
    return folder


def add_site(folder: Path, tmp_path: Path, name: str, text: str, minutes: tuple[int, ...] = (0, 15, 30, 45)) -> None:
    (folder / "sites" / f"{name}.yaml").write_text(text)
    rows = [
        f"{meter},2025-03-{day:02d}T{hour:02d}:{minute:02d}:00Z,{value * 4 // len(minutes)}"
        for meter, value in (("main", 1), ("gas", 2))
        for day in (10, 11)
        for hour in range(24)
        for minute in minutes
    ]
    answer(folder, "ingest", written(tmp_path / f"{name}.csv", "meter,timestamp,kwh", *rows), "--site", name)


def record(works: Path, tmp_path: Path, value: str) -> str:
    path = written(
        tmp_path / "set.csv", "scope,activity,unit,kg_co2e_per_unit,year,factor_id",
        f"2,electricity,kWh,{value},2025,e {value}", "1,natural gas,kWh,0.18399682,2025,gas",
    )  # fmt: skip
    return str(answer(works, "factors", "add", path)["recorded_at_utc"])


def emissions(works: Path, *words: object) -> dict[str, dict[str, Any]]:
    rows = answer(works, "kpis", *words)["rows"]
    return {row["scope"]: row for row in rows if row["kpi"] == "emission_kgco2e"}


def assert_the_hourly_peak_carries_its_finding(works: Path) -> None:
    found = answer(works, "kpis", "--site", "rock", *MARCH, "--grain", "hour")["rows"]
    peaks = [row for row in found if row["kpi"] == "peak_15min_kw" and row["value"] is not None]
    assert peaks
    assert all("coarse_source" in row["findings"] for row in peaks)
    running = answer(works, "running", "--site", "rock")
    assert "coarse_source" in [finding["code"] for finding in running["findings"]]
    assert "coarse_source" in answer(works, "trace", running["figures"]["peak_kw"])["figure"]["findings"]


def test_kpis_running_and_inventory_rest_on_one_factor_now_and_as_of_then(works: Path, tmp_path: Path) -> None:
    site = ("--site", "works", *MARCH)
    none = emissions(works, *site)["site:works"]
    assert (none["value"], none["finding"], none["factors"]) == (None, "no_factor", [])
    first = record(works, tmp_path, "0.6512345678")
    now = emissions(works, *site)
    inventory = answer(works, "carbon", "footprint", *site)
    assert now["site:works"]["value"] == inventory["scope2_location_kgco2e"] == pytest.approx(192 * 0.6512345678)
    assert now["site:works/natural_gas"]["value"] == inventory["scope1_kgco2e"]
    assert now["site:works/energy"]["value"] == pytest.approx(192 * 0.6512345678 + 384 * 0.18399682)
    assert now["site:works"]["factors"] == ["e 0.6512345678"]
    assert now["site:works"]["factor_versions"][0]["recorded_at_utc"] == first
    running = answer(works, "running", "--site", "works")
    assert running["month_to_date"]["emission_kgco2e"] == now["site:works"]["value"]
    for figure in (now["site:works"]["figure_id"], running["figures"]["emission_kgco2e"], running["figures"]["cost"]):
        trace = answer(works, "trace", figure)
        assert trace["recomputed"] == trace["figure"]["value"]
    record(works, tmp_path, "0.5")
    # The second site, with hourly rows, comes only now: every build before it would make its marts too.
    add_site(works, tmp_path, "rock", OTHER, minutes=(0,))
    assert emissions(works, *site)["site:works"]["value"] == 96.0
    then = emissions(works, *site, "--as-of", first)["site:works"]
    assert (then["value"], then["factors"]) == (now["site:works"]["value"], ["e 0.6512345678"])
    both = emissions(works, "--portfolio", *MARCH)["portfolio"]
    assert (both["value"], both["factors"]) == (192.0, ["e 0.5"])
    assert_the_hourly_peak_carries_its_finding(works)
