"""Hourly Scope 2: the hours sum to the year, matching never exceeds volume, and gaps are never zero."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.carbon.by_hour.hourly_scope2 import hourly_scope2
from assets.carbon.by_hour.read_hourly import Intensity, by_hour, hours_of, read_certificates, read_intensity
from data_quality.contracts.emissions.hourly_carbon import HourlyCertificate
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import QualityCriteria
from tests.carbon.cases import answer, run, written

START = datetime(2023, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
kwh = st.decimals(0, 1000, places=9)
rates = st.decimals(0, 2, places=6)


def hours(values: list[Decimal]) -> dict[datetime, Decimal]:
    return {START + number * HOUR: value for number, value in enumerate(values)}


def certificate(hour: int | None, amount: str | Decimal, **changes: object) -> HourlyCertificate:
    return HourlyCertificate.model_validate(
        {"certificate_id": "c", "hour_utc": None if hour is None else START + hour * HOUR, "kwh": amount} | changes
    )


@settings(deadline=None)
@given(st.lists(kwh, min_size=1, max_size=48), rates)
def test_with_a_constant_factor_the_hours_sum_to_the_annual_method_exactly(load: list[Decimal], rate: Decimal) -> None:
    grid = hours([rate] * len(load))
    found = hourly_scope2(hours(load), grid, annual_kgco2e_per_kwh=rate, residual_kgco2e_per_kwh=rate)
    assert found.location_hourly_kgco2e == found.location_annual_kgco2e == sum(load) * rate
    assert found.market_hourly_kgco2e == found.market_annual_kgco2e == found.location_annual_kgco2e
    assert found.location_shape_kgco2e == 0


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(kwh, rates), min_size=1, max_size=24),
    st.lists(st.tuples(st.none() | st.integers(-3, 30), kwh, st.booleans()), max_size=30),
)
def test_the_matched_share_is_never_above_the_volumetric_one(
    load: list[tuple[Decimal, Decimal]], made: list[tuple[int | None, Decimal, bool]]
) -> None:
    energy, grid = hours([each for each, _ in load]), hours([rate for _, rate in load])
    certificates = [
        certificate(hour, amount, certificate_id=f"c{number}", is_legacy=is_legacy)
        for number, (hour, amount, is_legacy) in enumerate(made)
    ]
    found = hourly_scope2(energy, grid, certificates=certificates)
    assert 0 <= found.matched_share <= found.volumetric_share <= 1
    assert found.matched_kwh <= sum((each.kwh for each in certificates), Decimal(0))
    assert found.matched_kwh + found.legacy_kwh <= found.load_kwh
    assert found.market_hourly_kgco2e <= found.location_hourly_kgco2e
    assert found.market_with_legacy_kgco2e <= found.market_hourly_kgco2e


@settings(deadline=None)
@given(st.lists(st.tuples(kwh, kwh), min_size=2, max_size=24), st.data())
def test_an_hour_matches_what_was_made_in_it_and_moving_energy_in_time_invents_no_match(
    rows: list[tuple[Decimal, Decimal]], data: st.DataObject
) -> None:
    load, made = [each for each, _ in rows], [each for _, each in rows]
    certificates = [certificate(number, each, certificate_id=f"c{number}") for number, each in enumerate(made)]

    def matched(energy: list[Decimal]) -> Decimal:
        return hourly_scope2(hours(energy), hours([Decimal(1)] * len(energy)), certificates=certificates).matched_kwh

    assert matched(load) == sum(map(min, load, made), Decimal(0))
    source, target = (data.draw(st.integers(0, len(load) - 1)) for _ in range(2))
    moved = data.draw(st.decimals(0, load[source], places=9))
    shifted = list(load)
    shifted[source] -= moved
    shifted[target] += moved
    assert matched(shifted) == sum(map(min, shifted, made), Decimal(0))
    assert matched(shifted) - matched(load) <= moved
    assert matched(shifted) <= sum(made, Decimal(0))


@settings(deadline=None)
@given(st.lists(st.tuples(kwh, rates), min_size=1, max_size=24), rates)
def test_level_and_shape_explain_the_whole_difference(load: list[tuple[Decimal, Decimal]], annual: Decimal) -> None:
    energy, grid = hours([each for each, _ in load]), hours([rate for _, rate in load])
    found = hourly_scope2(energy, grid, annual_kgco2e_per_kwh=annual)
    assert found.location_annual_kgco2e is not None
    assert found.location_level_kgco2e is not None
    explained = found.location_level_kgco2e + found.location_shape_kgco2e
    assert abs(found.location_hourly_kgco2e - found.location_annual_kgco2e - explained) < Decimal("1e-30")


def assert_golden(certificates: list[HourlyCertificate], market: str = "GB") -> None:
    """Two hours of 10 kWh; certificates of 15 kWh in the first and 5 in the second: 10 + 5 match, 20 by volume."""
    found = hourly_scope2(
        hours([Decimal(10), Decimal(10)]),
        hours([Decimal("0.1"), Decimal("0.3")]),
        certificates=certificates,
        market=market,
        residual_kgco2e_per_kwh=Decimal("0.4"),
    )
    assert (found.matched_share, found.volumetric_share) == (Decimal("0.75"), 1)
    assert (found.location_hourly_kgco2e, found.market_hourly_kgco2e, found.market_annual_kgco2e) == (4, 2, 0)


GOLDEN = [certificate(0, "15", market="GB"), certificate(1, "5", market="gb")]


def test_two_hours_by_hand() -> None:
    assert_golden(GOLDEN)


MUTANTS = {
    "in the other hour": [GOLDEN[0], certificate(0, "5")],
    "of another market": [GOLDEN[0], certificate(1, "5", market="NO")],
    "not redeemed": [GOLDEN[0], certificate(1, "5", criteria=QualityCriteria(is_redeemed=False))],
    "without an hour": [GOLDEN[0], certificate(None, "5")],
    "under a legacy clause": [GOLDEN[0], certificate(1, "5", is_legacy=True)],
}


@pytest.mark.parametrize("name", MUTANTS)
def test_two_hours_by_hand_notice_a_certificate(name: str) -> None:
    with pytest.raises(AssertionError):
        assert_golden(MUTANTS[name])


def test_refused_certificates_are_said_with_their_reason_and_energy() -> None:
    found = hourly_scope2(
        hours([Decimal(1)]), hours([Decimal(1)]), certificates=[certificate(0, "5", market="NO")], market="GB"
    )
    assert [finding.code for finding in found.findings] == ["instrument_refused", "no_residual_mix"]
    assert found.findings[0].facts == {"rows": 1, "kwh": 5.0}
    assert found.unmatched_basis == "grid_average"


def test_certificates_of_a_legacy_contract_count_by_the_year_and_are_flagged() -> None:
    found = hourly_scope2(
        hours([Decimal(10), Decimal(10)]),
        hours([Decimal("0.2")] * 2),
        certificates=[certificate(0, "5"), certificate(None, "6", certificate_id="old", is_legacy=True)],
        residual_kgco2e_per_kwh=Decimal("0.4"),
    )
    assert (found.has_legacy, found.matched_kwh, found.legacy_kwh) == (True, 5, 6)
    assert (found.market_hourly_kgco2e, found.market_with_legacy_kgco2e) == (6, Decimal("3.6"))


def test_an_hour_without_a_factor_is_refused_and_never_zero() -> None:
    with pytest.raises(BadInput, match="no grid factor for 1 of 2 hours of the load, the first 2023-01-01 01:00 UTC"):
        hourly_scope2(hours([Decimal(1)] * 2), hours([Decimal(1)]))
    with pytest.raises(BadInput, match="no residual factor for 1 of 1"):
        hourly_scope2(hours([Decimal(1)]), hours([Decimal(1)]), residual_kgco2e_per_kwh={})
    with pytest.raises(BadInput, match="the load has no hours"):
        hourly_scope2({}, {})


HALF = timedelta(minutes=30)
half_loads = st.lists(st.tuples(st.decimals(0, 100, places=9), rates), min_size=2, max_size=48)


def test_half_hours_weigh_by_the_energy_within_them_and_grams_become_kilograms(tmp_path: Path) -> None:
    path = written(tmp_path / "g.csv", "timestamp,gco2_per_kwh", "2023-01-01T00:00:00Z,100", "2023-01-01T00:30:00Z,200")
    intensity = read_intensity(path)
    assert intensity.values == {START: Decimal("0.1"), START + HALF: Decimal("0.2")}
    by = by_hour({START: Decimal(3), START + HALF: Decimal(1)}, HALF, intensity)
    assert by.weighed == {START: Decimal("0.125")}
    assert by.mean == {START: Decimal("0.15")}
    coarse = by_hour({START: Decimal(4)}, HOUR, intensity)
    assert coarse.weighed == coarse.mean == by.mean


@settings(deadline=None)
@given(half_loads)
def test_hours_of_half_hours_emit_what_the_half_hours_do(rows: list[tuple[Decimal, Decimal]]) -> None:
    load = {START + number * HALF: each for number, (each, _) in enumerate(rows)}
    intensity = Intensity(HALF, {START + number * HALF: rate for number, (_, rate) in enumerate(rows)})
    by = by_hour(load, HALF, intensity)
    found = hourly_scope2(hours_of(load.items()), by.weighed, mean_kgco2e_per_kwh=by.mean)
    assert abs(found.location_hourly_kgco2e - sum(each * rate for each, rate in rows)) < Decimal("1e-40")


def test_hours_of_a_zone_with_half_an_hour_meet_their_own_and_utc_factors(tmp_path: Path) -> None:
    rows = ["2023-01-01T00:00:00+05:30,100", "2023-01-01T01:00:00+05:30,300"]
    own = read_intensity(written(tmp_path / "own.csv", "timestamp,gco2_per_kwh", *rows))
    first = START - 5 * HOUR - HALF
    load = {first: Decimal(1), first + HOUR: Decimal(2)}
    assert list(by_hour(load, HOUR, own).weighed.values()) == [Decimal("0.1"), Decimal("0.3")]
    # An hour that begins at half past has half of each hour of a series in UTC.
    utc = Intensity(HOUR, {first - HALF + number * HOUR: Decimal(number) for number in range(3)})
    assert list(by_hour(load, HOUR, utc).weighed.values()) == [Decimal("0.5"), Decimal("1.5")]
    # Ten minutes may lie across two quarter hours.
    fine = Intensity(timedelta(minutes=15), {START: Decimal(1), START + timedelta(minutes=15): Decimal(2)})
    assert by_hour({START + timedelta(minutes=10): Decimal(1)}, timedelta(minutes=10), fine).mean == {
        START: Decimal("1.5")
    }


def test_an_hour_with_a_slot_that_has_no_factor_is_a_gap() -> None:
    load = {START: Decimal(1), START + HALF: Decimal(1), START + HOUR: Decimal(1)}
    by = by_hour(load, HALF, Intensity(HALF, {START: Decimal(1), START + HOUR: Decimal(2)}))
    assert by.weighed == by.mean == {START + HOUR: Decimal(2)}


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["timestamp,price", "2023-01-01T00:00:00Z,1"], "expected one column of gco2_per_kwh"),
        (["when,gco2_per_kwh", "2023-01-01T00:00:00Z,1"], "expected a column of timestamp"),
        (["timestamp,gco2_per_kwh", "2023-01-01T00:00:00,1"], "line 2: time '2023-01-01T00:00:00' has no offset"),
        (["timestamp,gco2_per_kwh", "2023-01-01T00:00:00Z,"], "line 2: gco2_per_kwh is empty"),
        (["timestamp,gco2_per_kwh", "2023-01-01T00:07:00Z,1"], "line 2: .* is off the 15-minute grid"),
        (["timestamp,gco2_per_kwh", *["2023-01-01T00:00:00Z,1"] * 2], "line 3: .* is in line 2 already"),
        (["timestamp,gco2_per_kwh"], "has no factors below its header"),
        (
            ["timestamp,gco2_per_kwh", "2023-01-01T00:15:00Z,1", "2023-01-01T01:15:00Z,1"],
            "line 2: 00:15 UTC is off the 60-minute grid",
        ),
        (["timestamp,gco2_per_kwh", "2023-01-01T00:00:00Z,1", "2023-01-02T00:00:00Z,1"], "are 1440 minutes apart"),
    ],
)
def test_a_series_that_is_not_hourly_factors_is_refused(tmp_path: Path, lines: list[str], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        read_intensity(written(tmp_path / "factors.csv", *lines))


def test_local_times_of_factors_are_told_apart_by_order_and_never_guessed(tmp_path: Path) -> None:
    def read(*times: str) -> Mapping[datetime, Decimal]:
        rows = [f"{time},{number}" for number, time in enumerate(times, start=1)]
        return read_intensity(
            written(tmp_path / "factors.csv", "timestamp,kgco2e_per_kwh", *rows), time_zone="Europe/Berlin"
        ).values

    passes = [f"2024-10-27T0{hour}:00" for hour in (1, 2, 2, 3)]
    assert list(read(*passes).items()) == [
        (datetime(2024, 10, 26, 23, tzinfo=UTC) + (number - 1) * HOUR, Decimal(number)) for number in range(1, 5)
    ]
    for times, sentence in (
        (passes[:2], "line 3: 2024-10-27 02:00: Europe/Berlin has that time twice; give an offset"),
        ([*passes[:3], passes[2]], "line 3: .* has that time twice"),
        (["2024-03-31T01:00", "2024-03-31T02:00"], "line 3: 2024-03-31 02:00: Europe/Berlin has that time not at all"),
        ([passes[0]] * 2, "line 3: .* is in line 2 already"),
    ):
        with pytest.raises(BadInput, match=sentence):
            read(*times)
    rights = written(tmp_path / "c.csv", "certificate_id,timestamp,kwh", f"a,{passes[1]},1")
    with pytest.raises(BadInput, match=r"line 2: .* has that time twice"):
        read_certificates(rights, time_zone="Europe/Berlin")


HEAD = "certificate_id,timestamp,kwh,market,is_redeemed,is_legacy,vintage_from,vintage_to"


def test_certificates_are_read_with_their_market_and_criteria(tmp_path: Path) -> None:
    path = written(
        tmp_path / "c.csv",
        HEAD,
        "a,2023-01-01T05:00:00Z,7.5,GB,true,,,",
        "b,,100,GB,,yes,2022-01-01,2023-01-01",
    )
    first, second = read_certificates(path)
    assert (first.hour_utc, first.kwh, first.criteria.is_redeemed) == (START + 5 * HOUR, Decimal("7.5"), True)
    assert (second.hour_utc, second.is_legacy) == (None, True)
    half = "a,2023-01-01T05:30:00Z,1,GB,,,,"
    assert read_certificates(written(tmp_path / "half.csv", HEAD, half))[0].hour_utc == START + 5 * HOUR
    for cells, sentence in (
        (["a,,,GB,,,,"], "line 2: certificate without kwh"),
        ([half, half], "line 3: certificate a is in line 2 already .* one kWh is claimed once"),
        (["a,2023-01-01T05:30:00Z,-1,GB,,,,"], "line 2: kwh is negative"),
        ([",2023-01-01T05:30:00Z,1,GB,,,,"], "line 2: names no certificate"),
        ([], "has no certificates"),
    ):
        with pytest.raises(BadInput, match=sentence):
            read_certificates(written(tmp_path / "bad.csv", HEAD, *cells))


def gb_2023(tmp_path: Path, shared_data: Path, *, shift: bool) -> dict[str, float]:
    """A year of 10 kW flat, or of 30 kW from 08:00 to 18:00 UTC on weekdays, by the hour and by the annual factor."""
    year = [START + number * HOUR for number in range(8760)]
    load = [30 if shift and hour.weekday() < 5 and 8 <= hour.hour < 18 else 0 if shift else 10 for hour in year]
    rows = [f"{hour:%Y-%m-%dT%H:%M:%SZ},{energy}" for hour, energy in zip(year, load, strict=True)]
    path = written(tmp_path / "load.csv", "timestamp,kwh", *rows)
    annual = written(
        tmp_path / "annual.csv", "scope,activity,unit,kg_co2e_per_unit,year", "2,electricity,kWh,0.20707429,2023"
    )
    intensity = shared_data / "carbon_intensity" / "gb_hourly_2023.csv"
    found = answer("carbon", "--hourly-load", path, "--hourly-factors", intensity, "--factors", annual)
    hourly: dict[str, float] = found["hourly"]
    assert found["scope2_location_kgco2e"] == hourly["location_hourly_kgco2e"]
    return hourly


def test_gb_hours_of_2023_differ_from_the_annual_factor_by_level_and_shape(tmp_path: Path, shared_data: Path) -> None:
    flat = gb_2023(tmp_path, shared_data, shift=False)
    assert flat["mean_kgco2e_per_kwh"] == pytest.approx(0.148862, abs=5e-7)
    assert flat["location_shape_kgco2e"] == 0
    assert flat["location_hourly_kgco2e"] == pytest.approx(87600 * flat["mean_kgco2e_per_kwh"], abs=1e-9)
    assert flat["location_annual_kgco2e"] == pytest.approx(18139.707804, abs=1e-6)
    shift = gb_2023(tmp_path, shared_data, shift=True)
    difference = shift["location_hourly_kgco2e"] - shift["location_annual_kgco2e"]
    assert difference == pytest.approx(shift["location_level_kgco2e"] + shift["location_shape_kgco2e"], abs=1e-6)


def test_the_command_says_what_was_fed_in_and_what_is_missing(tmp_path: Path) -> None:
    load = written(
        tmp_path / "load.csv", "timestamp,kwh", "2023-01-01T00:00:00Z,2", "2023-01-01T01:00:00Z,-1",
        "2023-01-01T03:00:00Z,4",
    )  # fmt: skip
    grid = written(
        tmp_path / "grid.csv", "timestamp,kgco2e_per_kwh", *(f"2023-01-01T0{hour}:00:00Z,0.5" for hour in range(4))
    )
    rights = written(tmp_path / "c.csv", "certificate_id,timestamp,kwh", "c,2023-01-01T03:00:00Z,3")
    found = answer("carbon", "--hourly-load", load, "--hourly-factors", grid, "--certificates", rights)
    assert (found["scope2_location_kgco2e"], found["scope2_market_kgco2e"]) == (3.0, 1.5)
    assert {finding["code"] for finding in found["findings"]} == {
        "coverage", "not_counted_exported", "no_residual_mix", "criteria_not_stated",
    }  # fmt: skip
    assert found["coverage"] == 0.75
    assert found["hourly"]["matched_share"] == 0.5
    assert "matched_share" in run("carbon", "--hourly-load", load, "--hourly-factors", grid).stdout
    assert "needs --hourly-factors" in run("carbon", "--hourly-load", load, code=2).stderr
    two = written(
        tmp_path / "two.csv", "scope,activity,unit,kg_co2e_per_unit,year,region", "2,electricity,kWh,1,2023,GB",
        "2,electricity,kWh,2,2023,FR",
    )  # fmt: skip
    options = ("carbon", "--hourly-load", load, "--hourly-factors", grid, "--factors", two)
    assert "two location factors" in run(*options, code=2).stderr
    assert answer(*options, "--market", "FR")["hourly"]["annual_kgco2e_per_kwh"] == 2.0
