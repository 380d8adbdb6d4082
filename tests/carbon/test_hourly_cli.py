"""`carbon --hourly-load` as a stranger calls it: clock changes, half hours, years, gaps, one sentence for a fault."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.carbon.cases import answer, run, written

BERLIN = ZoneInfo("Europe/Berlin")


def series(start: datetime, count: int, minutes: int = 60) -> list[datetime]:
    return [start.astimezone(UTC) + number * timedelta(minutes=minutes) for number in range(count)]


def table(path: Path, column: str, rows: Mapping[datetime, str] | Mapping[str, str]) -> Path:
    texts = ((when if isinstance(when, str) else when.isoformat(), value) for when, value in rows.items())
    return written(path, f"timestamp,{column}", *(f"{when},{value}" for when, value in texts))


def berlin(whens: Iterable[datetime]) -> list[str]:
    """As text: two times of one zone that differ by summer time alone are equal as keys."""
    return [when.astimezone(BERLIN).isoformat() for when in whens]


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25), ("2024-06-01", 24)])
def test_a_day_of_any_length_has_all_its_hours_and_sums_to_the_annual_method(
    tmp_path: Path, day: str, hours: int
) -> None:
    start = datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=BERLIN)
    local = berlin(series(start, hours))
    load = table(tmp_path / "load.csv", "kwh", dict.fromkeys(local, "1.5"))
    grid = table(tmp_path / "grid.csv", "gco2_per_kwh", dict.fromkeys(local, "400"))
    annual = written(tmp_path / "f.csv", "scope,activity,unit,kg_co2e_per_unit,year", "2,electricity,kWh,0.4,2024")
    rights = written(tmp_path / "c.csv", "certificate_id,timestamp,kwh", *(f"c,{when},1" for when in local))
    words = ("carbon", "--hourly-load", load, "--hourly-factors", grid, "--factors", annual, "--certificates", rights)
    found = answer(*words)
    hourly = found["hourly"]
    assert (hourly["hours"], hourly["matched_kwh"], found["coverage"]) == (hours, hours, 1.0)
    assert hourly["location_hourly_kgco2e"] == hourly["location_annual_kgco2e"] == pytest.approx(hours * 0.6)
    assert answer(*words, "--tz", "Europe/Berlin")["hourly"] == hourly


def test_a_local_year_meets_the_factor_of_its_year_by_its_own_offsets(tmp_path: Path) -> None:
    edges = [datetime(2024, 1, 1, tzinfo=BERLIN), datetime(2024, 7, 1, tzinfo=BERLIN)]
    local = berlin(when for edge in edges for when in series(edge, 3))
    load = table(tmp_path / "load.csv", "kwh", dict.fromkeys(local, "1"))
    grid = table(tmp_path / "grid.csv", "gco2_per_kwh", dict.fromkeys(local, "400"))
    head = "scope,activity,unit,kg_co2e_per_unit,year"
    annual = written(tmp_path / "f.csv", head, "2,electricity,kWh,0.4,2024")
    found = answer("carbon", "--hourly-load", load, "--hourly-factors", grid, "--factors", annual)
    assert found["hourly"]["location_annual_kgco2e"] == pytest.approx(2.4)
    assert [finding["code"] for finding in found["findings"]] == ["coverage", "no_residual_mix"]
    assert found["coverage"] == found["findings"][0]["facts"]["coverage"] < 0.01


def test_two_years_have_each_their_annual_factor_weighed_by_the_load(tmp_path: Path) -> None:
    whens = series(datetime(2023, 12, 31, 22, tzinfo=UTC), 4)
    load = table(tmp_path / "load.csv", "kwh", dict(zip(whens, ("10", "20", "5", "5"), strict=True)))
    grid = table(tmp_path / "grid.csv", "gco2_per_kwh", dict.fromkeys(whens, "300"))
    head = "scope,activity,unit,kg_co2e_per_unit,year,basis"
    sets = written(
        tmp_path / "f.csv", head, "2,electricity,kWh,0.2,2023,", "2,electricity,kWh,0.4,2024,",
        "2,electricity,kWh,0.5,2023,residual", "2,electricity,kWh,0.6,2024,residual",
    )  # fmt: skip
    hourly = answer("carbon", "--hourly-load", load, "--hourly-factors", grid, "--factors", sets)["hourly"]
    assert hourly["location_annual_kgco2e"] == pytest.approx(30 * 0.2 + 10 * 0.4)
    assert hourly["annual_kgco2e_per_kwh"] == pytest.approx(0.25)
    assert hourly["market_hourly_kgco2e"] == pytest.approx(30 * 0.5 + 10 * 0.6)
    none = written(tmp_path / "none.csv", head, "1,gas,kWh,0.2,2023,")
    found = answer("carbon", "--hourly-load", load, "--hourly-factors", grid, "--factors", none)
    assert "no_annual_factor" in {finding["code"] for finding in found["findings"]}
    one = written(tmp_path / "one.csv", head, "2,electricity,kWh,0.2,2023,")
    words = ("carbon", "--hourly-load", load, "--hourly-factors", grid, "--factors", one)
    assert "one.csv: no location factor for activity 'electricity' on 2024-01-01" in run(*words, code=2).stderr


def test_half_hours_of_load_meet_half_hours_of_the_grid(tmp_path: Path) -> None:
    whens = series(datetime(2024, 6, 1, tzinfo=UTC), 4, 30)
    load = table(tmp_path / "load.csv", "kwh", dict(zip(whens, ("3", "1", "0", "2"), strict=True)))
    grid = table(tmp_path / "grid.csv", "gco2_per_kwh", dict(zip(whens, ("100", "300", "500", "200"), strict=True)))
    hourly = answer("carbon", "--hourly-load", load, "--hourly-factors", grid)["hourly"]
    by_hand = Decimal(3) * 100 + 1 * 300 + 0 * 500 + 2 * 200
    assert hourly["location_hourly_kgco2e"] == float(by_hand / 1000)
    assert hourly["mean_kgco2e_per_kwh"] == 0.275


def test_a_gap_in_the_factors_is_named_with_its_file_where_the_load_meets_it_only(tmp_path: Path) -> None:
    whens = series(datetime(2024, 6, 1, tzinfo=UTC), 6, 30)
    load = table(tmp_path / "load.csv", "kwh", dict.fromkeys(whens[:4], "1"))
    grid = table(tmp_path / "grid.csv", "gco2_per_kwh", dict.fromkeys([*whens[:3], *whens[4:]], "100"))
    refused = run("carbon", "--hourly-load", load, "--hourly-factors", grid, code=2).stderr
    assert "grid.csv: no grid factor for 1 of 2 hours of the load, the first 2024-06-01 01:00 UTC" in refused
    assert "30 minutes each" in refused
    fewer = table(tmp_path / "fewer.csv", "kwh", dict.fromkeys(whens[:2], "1"))
    assert answer("carbon", "--hourly-load", fewer, "--hourly-factors", grid)["hourly"]["hours"] == 1


def test_a_certificate_of_another_market_is_refused_by_name_and_energy(tmp_path: Path) -> None:
    whens = series(datetime(2024, 6, 1, tzinfo=UTC), 2)
    load = table(tmp_path / "load.csv", "kwh", dict.fromkeys(whens, "1"))
    grid = table(tmp_path / "grid.csv", "gco2_per_kwh", dict.fromkeys(whens, "100"))
    rights = written(
        tmp_path / "c.csv", "certificate_id,timestamp,kwh,market", *(f"GO-1,{when.isoformat()},1,FR" for when in whens)
    )
    words = ("carbon", "--hourly-load", load, "--hourly-factors", grid, "--certificates", rights, "--market")
    found = answer(*words, "GB")
    assert found["hourly"]["matched_share"] == 0
    message = "certificate GO-1 is not used: it is of market FR, the consumption of GB"
    assert message in [finding["message"] for finding in found["findings"]]
    assert answer(*words, "fr")["hourly"]["matched_share"] == 1.0
