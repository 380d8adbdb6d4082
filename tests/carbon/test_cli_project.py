"""`meterloom factors add|list` and `meterloom carbon footprint|restate` in a project folder."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.carbon.cases import written

SITE = """\
site_id: works
name: Works
time_zone: Europe/London
currency: GBP
country: GB
meters:
  - {meter_id: main}
  - meter_id: gas
    carrier: natural_gas
"""
UK = "UK electricity / Electricity generated / Electricity: UK"


def run(folder: Path, *words: object, code: int = 0) -> Any:
    app = build_app(("init", "ingest", "carbon", "factors"))
    # A table is converted without a project.
    project = [] if words[:2] == ("factors", "import") else ["--project", str(folder)]
    result = CliRunner().invoke(app, [*(str(word) for word in words), *project])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def answer(folder: Path, *words: object) -> Any:
    return json.loads(run(folder, *words, "--json").stdout)


@pytest.fixture
def works(tmp_path: Path) -> Path:
    """A project with one day of one site in its lake."""
    folder = tmp_path / "p"
    CliRunner().invoke(build_app(("init",)), ["init", str(folder)])
    for old in (folder / "sites").glob("my_site*"):
        old.unlink()
    (folder / "sites" / "works.yaml").write_text(SITE)
    rows = [
        f"{meter},2024-01-0{day}T{hour:02d}:00:00Z,{4 if meter == 'main' else 8}"
        for meter in ("main", "gas")
        for day in (1, 2)
        for hour in range(24)
    ]
    load = written(tmp_path / "load.csv", "meter,timestamp,kwh", *rows)
    run(folder, "ingest", load, "--site", "works")
    return folder


def recorded(works: Path, tmp_path: Path, value: str, *, name: str = UK) -> str:
    path = written(
        tmp_path / "set.csv", "scope,activity,unit,kg_co2e_per_unit,year,region,factor_id",
        f"2,{name},kWh,{value},2024,GB,uk {value}", "1,natural gas,kWh,0.18,2024,GB,gas",
    )  # fmt: skip
    done = answer(
        works, "factors", "add", path, "--rename", f"{name}=electricity", "--rename", "natural gas=natural_gas"
    )
    return str(done["recorded_at_utc"])


def test_a_changed_factor_restates_line_by_line_and_yesterday_stays(works: Path, tmp_path: Path) -> None:
    first = recorded(works, tmp_path, "0.2")
    footprint = ("carbon", "footprint", "--site", "works", "--period", "2024-01-01/2024-01-03")
    before = answer(works, *footprint)
    assert (before["scope1_kgco2e"], before["scope2_location_kgco2e"]) == (69.12, 38.4)
    second = recorded(works, tmp_path, "0.25")
    assert answer(works, *footprint)["scope2_location_kgco2e"] == 48.0
    assert answer(works, *footprint, "--as-of", first) | {"as_of_utc": None} == before
    words = ("carbon", "restate", "--site", "works", "--period", "2024-01-01/2024-01-03")
    found = answer(works, *words, "--from", first, "--to", second)
    assert [(line["method"], line["delta_kgco2e"]) for line in found["lines"]] == [("location", 9.6), ("market", 9.6)]
    assert found["lines"][0]["causes"] == ["factor: uk 0.2 (0.2 kg/kWh) became uk 0.25 (0.25 kg/kWh)"]
    assert (found["old"]["scope2_location_kgco2e"], found["new"]["scope2_location_kgco2e"]) == (38.4, 48.0)
    assert "uk 0.25" in run(works, *words, "--from", first, "--to", second).stdout
    assert "nothing changed" in run(works, *words, "--from", second, "--to", "2030-01-01T00:00:00Z").stdout
    assert "is not after" in run(works, *words, "--from", second, "--to", first, code=2).stderr
    assert "Scope 2, location-based: 48.0 kg CO2e" in run(works, *footprint).stdout


def test_factors_are_listed_as_known_then_and_in_force_on_a_day(works: Path, tmp_path: Path) -> None:
    first = recorded(works, tmp_path, "0.2")
    recorded(works, tmp_path, "0.25")
    now = answer(works, "factors", "list", "--activity", "electricity", "--on", "2024-05-01")["factors"]
    assert [row["kg_co2e_per_unit"] for row in now] == [0.25]
    then = answer(works, "factors", "list", "--activity", "electricity", "--as-of", first)["factors"]
    assert [row["kg_co2e_per_unit"] for row in then] == [0.2]
    assert len(answer(works, "factors", "list", "--history")["factors"]) == 3
    assert "no recorded factor fits" in run(works, "factors", "list", "--on", "2030-01-01").stdout
    assert "uk 0.25" in run(works, "factors", "list").stdout
    assert "expected a date" in run(works, "factors", "list", "--on", "soon", code=2).stderr


def test_a_set_is_recorded_for_one_site_region_and_year_only(works: Path, tmp_path: Path) -> None:
    head = "scope,activity,unit,kg_co2e_per_unit,year,region"
    path = written(
        tmp_path / "s.csv", head, "2,electricity,kWh,0.2,2023,GB", "2,electricity,kWh,0.3,2024,GB",
        "2,electricity,kWh,0.4,2024,DE",
    )  # fmt: skip
    words = ("factors", "add", path, "--tenant", "works", "--region", "de", "--year", "2024")
    assert answer(works, *words)["new_rows"] == 1
    assert "recorded 0 factors, 1 were known already" in run(works, *words).stdout
    assert "no row is left" in run(works, "factors", "add", path, "--year", "2030", code=2).stderr
    assert "expected ACTIVITY=NAME" in run(works, "factors", "add", path, "--rename", "x", code=2).stderr
    assert "unknown site" in run(works, "factors", "add", path, "--tenant", "nowhere", code=2).stderr
    period = ("carbon", "footprint", "--site", "works", "--period", "2024-01-01/2024-01-03")
    found = answer(works, *period)
    assert found["scope2_location_kgco2e"] == pytest.approx(76.8)
    assert found["scope1_kgco2e"] is None
    assert "no_factor" in {finding["code"] for finding in found["findings"]}


def test_a_withdrawn_factor_restates_with_its_reason_and_no_plausible_number_takes_its_place(
    works: Path, tmp_path: Path
) -> None:
    first = recorded(works, tmp_path, "0.2")
    done = answer(works, "factors", "withdraw", "uk 0.2", "--reason", "of another country")
    assert done["withdrawn_rows"] == 1
    period = ("--site", "works", "--period", "2024-01-01/2024-01-03")
    assert answer(works, "carbon", "footprint", *period)["scope2_location_kgco2e"] is None
    assert answer(works, "carbon", "footprint", *period, "--as-of", first)["scope2_location_kgco2e"] == 38.4
    found = answer(works, "carbon", "restate", *period, "--from", first, "--to", done["recorded_at_utc"])
    assert [line["method"] for line in found["lines"]] == ["location", "market"]
    assert found["lines"][0]["causes"] == [
        "factor: uk 0.2 (0.2 kg/kWh) became none", "withdrawn: uk 0.2: of another country",
    ]  # fmt: skip
    shown = run(works, "factors", "list", "--history").stdout
    assert "withdrawn: of another country" in shown
    words = ("factors", "withdraw", "uk 0.2", "--reason")
    assert "no factor 'uk 0.2' of all sites holds" in run(works, *words, "again", code=2).stderr
    assert "--reason is empty" in run(works, *words, " ", code=2).stderr
    assert "--from: expected a date" in run(works, *words, "x", "--from", "soon", code=2).stderr


def test_a_validity_is_corrected_and_the_line_says_so(works: Path, tmp_path: Path) -> None:
    first = recorded(works, tmp_path, "0.2")
    done = answer(works, "factors", "withdraw", "uk 0.2", "--reason", "holds from 2 January", "--to", "2024-01-02")
    period = ("--site", "works", "--period", "2024-01-01/2024-01-03")
    found = answer(works, "carbon", "footprint", *period)
    assert found["scope2_location_kgco2e"] is None
    assert [line["kgco2e"] for line in found["lines"] if line["method"] == "location"] == [None, 19.2]
    (finding,) = [each for each in found["findings"] if each["code"] == "no_factor"]
    assert "no factor for electricity from 2024-01-01 to 2024-01-02" in finding["message"]
    lines = answer(works, "carbon", "restate", *period, "--from", first, "--to", done["recorded_at_utc"])["lines"]
    assert "holds from 2 January" in lines[0]["causes"][-1]


def test_sites_roll_up_to_a_portfolio_and_its_restatement_names_them(works: Path, tmp_path: Path) -> None:
    annex = SITE.replace("works", "annex").replace("Works", "Annex").split("  - meter_id: gas")[0]
    (works / "sites" / "annex.yaml").write_text(annex)
    rows = [f"main,2024-01-0{day}T{hour:02d}:00:00Z,1" for day in (1, 2) for hour in range(24)]
    run(works, "ingest", written(tmp_path / "annex.csv", "meter,timestamp,kwh", *rows), "--site", "annex")
    first = recorded(works, tmp_path, "0.2")
    own = written(
        tmp_path / "own.csv", "scope,activity,unit,kg_co2e_per_unit,year,factor_id", "2,electricity,kWh,0.7,2024,own"
    )
    second = answer(works, "factors", "add", own, "--tenant", "annex")["recorded_at_utc"]
    period = ("--portfolio", "--period", "2024-01-01/2024-01-03")
    found = answer(works, "carbon", "footprint", *period)
    assert found["scope2_location_kgco2e"] == 192 * 0.2 + 48 * 0.7
    (row,) = [row for row in found["rows"] if row["method"] == "location"]
    assert row["weighted_kgco2e_per_kwh"] == 0.3
    assert {site["site_id"]: site["scope2_location_kgco2e"] for site in found["sites"]} == {
        "annex": 33.6,
        "works": 38.4,
    }
    restated = answer(works, "carbon", "restate", *period, "--from", first, "--to", second)
    assert {(line["site_id"], line["delta_kgco2e"]) for line in restated["lines"]} == {("annex", 24.0)}
    assert "Scope 1: 69.1 kg CO2e" in run(works, "carbon", "footprint", *period).stdout
    both = run(works, "carbon", "footprint", *period, "--site", "works", code=2).stderr
    assert "name --site SITE or --portfolio" in both


def test_a_certificate_of_no_site_is_said_to_count_nowhere_and_one_of_two_is_refused(
    works: Path, tmp_path: Path
) -> None:
    head = "scope,activity,unit,kg_co2e_per_unit,year,factor_id,basis,instrument_kwh"
    path = written(tmp_path / "c.csv", head, "2,electricity,kWh,0,2024,REGO,certificate,100")
    assert "REGO is a certificate or contract of no site" in run(works, "factors", "add", path).stderr
    refused = run(works, "factors", "add", path, "--tenant", "works", code=2).stderr
    assert "c.csv, line 2: certificate 'REGO' is recorded for no site already" in refused


def test_gases_are_recorded_with_a_gwp_set_or_said_to_have_none(works: Path, tmp_path: Path) -> None:
    path = written(
        tmp_path / "g.csv", "scope,activity,unit,gas,kg_per_unit,year,factor_id", "2,electricity,kWh,CO2,0.2,2024,e",
        "2,electricity,kWh,CH4,0.001,2024,e",
    )  # fmt: skip
    period = ("carbon", "footprint", "--site", "works", "--period", "2024-01-01/2024-01-03")
    output = run(works, "factors", "add", path, "--tenant", "works").stderr
    assert "g.csv line 2: gas CO2 of 'electricity' names no GWP set" in output
    assert "has no GWP set" in run(works, *period, code=2).stderr
    run(works, "factors", "withdraw", "e", "--reason", "no GWP set", "--tenant", "works")
    assert run(works, "factors", "add", path, "--tenant", "works", "--gwp", "ar5").stderr == ""
    assert answer(works, *period)["scope2_location_kgco2e"] == pytest.approx(192 * 0.228)


def test_an_import_never_overwrites_the_table_that_it_reads(tmp_path: Path, works: Path) -> None:
    table = written(tmp_path / "t.csv", "code,year,gco2_per_kwh", "DEU,2023,380")
    words = ("factors", "import", table, "--kind", "ember", "--out")
    assert "names the table itself" in run(works, *words, table, code=2).stderr
    assert "cannot be written" in run(works, *words, tmp_path / "no" / "o.csv", code=2).stderr
