"""A site's footprint: weighted by consumption, counted once, null where something is missing; and its restatement."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.carbon.factor_choice.factor_view import FactorView, carrier_of, factor_view
from assets.carbon.inventory.energies import site_energies
from assets.carbon.inventory.restate import restate
from assets.carbon.inventory.site_footprint import site_footprint
from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.factor_ledger import FactorStore
from assets.stores.transactions import Store
from data_quality.contracts.emissions.footprint import Footprint, SiteEnergy
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.factor import Basis, Factor, FactorSet, GwpSet, StoredFactor
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock, parse_period
from tests.carbon.cases import factor, held
from tests.kpi.seeded import SPANS, fill, filled_lake, plant, random_rows

YEAR = parse_period("2024", "Europe/Berlin")
NOW = datetime(2025, 2, 1, tzinfo=UTC)
CHANGE = date(2024, 7, 1)


def site(**changes: object) -> Site:
    return plant(
        **(
            {
                "factors": [
                    entry("e1", "0.4", "2024-01-01", "2024-07-01"),
                    entry("e2", "0.2", "2024-07-01", "2025-01-01"),
                    entry("g", "0.18", "2024-01-01", "2025-01-01", carrier="natural_gas"),
                ]
            }
            | changes
        )
    )


def entry(factor_id: str, value: str, start: str, end: str, **changes: object) -> dict[str, object]:
    return {
        "factor_id": factor_id, "kgco2e_per_kwh": value, "valid_from": start, "valid_to": end, "source": "s",
    } | changes  # fmt: skip


def months(carrier: Carrier, *kwh: str | None, **changes: Any) -> list[SiteEnergy]:
    """Energies of the months of 2024."""
    firsts = [*(date(2024, month, 1) for month in range(1, 13)), date(2025, 1, 1)]
    return [
        SiteEnergy.model_validate({"carrier": carrier, "start": start, "end": end, "kwh": amount} | changes)
        for start, end, amount in zip(firsts, firsts[1:], kwh, strict=False)
    ]


POWER = months(Carrier.ELECTRICITY, *["100"] * 6, *["300"] * 6)
GAS = months(Carrier.NATURAL_GAS, *["50"] * 12)


def stored(row: Factor, *, tenant: str = "", day: int = 1) -> StoredFactor:
    return StoredFactor(factor=row, tenant=tenant, set_id="s", recorded_at_utc=datetime(2025, 1, day, tzinfo=UTC))


def footprint(energies: list[SiteEnergy], *rows: StoredFactor, of: Site | None = None, **options: Any) -> Footprint:
    known = of or site()
    return site_footprint(known, energies, factor_view(known, rows, **options), period=YEAR)


def codes(found: Footprint) -> set[str]:
    return {finding.code for finding in found.findings}


def test_a_year_is_weighted_by_consumption_and_not_by_a_mean_of_factors() -> None:
    found = footprint([*POWER, *GAS])
    assert found.scope2_location_kgco2e == 600 * Decimal("0.4") + 1800 * Decimal("0.2")
    assert found.scope2_location_kgco2e != 2400 * Decimal("0.3")
    assert (found.scope1_kgco2e, found.scope2_market_kgco2e) == (108, 600)
    assert found.factor_ids == ("e1", "e2", "g")
    assert (found.coverage, found.factor_coverage) == (1, 1)
    assert codes(found) == {"no_residual_mix"}


def test_lines_sum_to_the_totals_and_months_to_the_year() -> None:
    found = footprint([*POWER, *GAS])
    for method, total in (("direct", found.scope1_kgco2e), ("location", found.scope2_location_kgco2e)):
        assert sum(line.kgco2e or 0 for line in found.lines if line.method == method) == total
    assert len({line.month for line in found.lines}) == 12


def test_a_month_with_a_change_inside_is_divided_by_days_and_daily_energies_are_not() -> None:
    known = site(factors=[entry("a", "1", "2024-01-01", "2024-03-11"), entry("b", "0", "2024-03-11", "2025-01-01")])
    whole = footprint(months(Carrier.ELECTRICITY, *["310"] * 12), of=known)
    assert whole.scope2_location_kgco2e == 720
    daily = [
        SiteEnergy(
            carrier=Carrier.ELECTRICITY,
            start=YEAR.start + timedelta(days=number),
            end=YEAR.start + timedelta(days=number + 1),
            kwh=Decimal(number == 70),
        )
        for number in range(366)
    ]
    assert footprint(daily, of=known).scope2_location_kgco2e == 0
    assert daily[70].start == date(2024, 3, 11)


def test_purchased_steam_is_scope_2_and_made_compressed_air_is_not_counted_again() -> None:
    steam = [stored(factor("0.2", activity="steam", factor_id="steam"))]
    extra = months(Carrier.STEAM, *["10"] * 12) + months(Carrier.COMPRESSED_AIR, *["40"] * 12, role="secondary")
    found = footprint([*POWER, *GAS, *extra], *steam)
    assert found.scope2_location_kgco2e == 600 + 24
    assert found.scope1_kgco2e == 108
    assert {line.carrier for line in found.lines} == {Carrier.ELECTRICITY, Carrier.NATURAL_GAS, Carrier.STEAM}
    assert "not_counted_secondary" in codes(found)


def test_exports_do_not_net_and_own_pv_is_zero() -> None:
    extra = months(Carrier.ELECTRICITY, *["5"] * 12, role="exported")
    extra += months(Carrier.ELECTRICITY, *["7"] * 12, role="self_consumed")
    found = footprint([*POWER, *GAS, *extra])
    assert found.scope2_location_kgco2e == 600
    assert {"not_counted_exported", "not_counted_self_consumed"} <= codes(found)


def test_water_is_in_no_energy_total() -> None:
    with pytest.raises(BadInput, match="water is measured in m3 and is in no kWh total"):
        footprint(months(Carrier.WATER, *["1"] * 12))


def test_a_missing_month_makes_its_total_unknown_and_is_named() -> None:
    for energies in (POWER[:2] + POWER[3:], months(Carrier.ELECTRICITY, "1", "1", None, *["1"] * 9)):
        found = footprint([*energies, *GAS])
        assert (found.scope2_location_kgco2e, found.scope2_market_kgco2e) == (None, None)
        assert found.scope1_kgco2e == 108
        (missing,) = (finding for finding in found.findings if finding.code == "missing_month")
        assert (missing.is_blocking, missing.facts["month"], missing.facts["coverage"]) == (True, "2024-03", 0.0)


def test_a_day_without_factor_makes_the_total_unknown_and_never_zero() -> None:
    known = site(factors=[entry("e1", "0.4", "2024-01-01", "2024-12-01")])
    found = footprint([*POWER, *GAS], of=known)
    assert (found.scope1_kgco2e, found.scope2_location_kgco2e) == (None, None)
    assert found.factor_coverage == Decimal(2100) / 3000
    blocking = [finding for finding in found.findings if finding.code == "no_factor"]
    assert [finding.facts["kwh"] for finding in blocking] == [300.0, *[50.0] * 12]
    # In words, which have a German and an Arabic text: `natural_gas` has none.
    assert {each.message.partition(" from ")[0] for each in blocking} == {
        "no factor for electricity", "no factor for natural gas"
    }  # fmt: skip
    december = [line for line in found.lines if line.month.month == 12]
    assert {(line.factor_id, line.kgco2e) for line in december} == {(None, None)}


def test_a_part_that_was_not_read_is_said_and_not_scaled_up() -> None:
    found = footprint([*months(Carrier.ELECTRICITY, *["100"] * 12, coverage="0.9"), *GAS])
    assert found.scope2_location_kgco2e == 360
    assert found.coverage == Decimal("0.95")
    (finding,) = (each for each in found.findings if each.code == "coverage")
    assert finding.facts == {"coverage": 0.9}


def test_energies_that_overlap_or_leave_the_period_are_refused() -> None:
    with pytest.raises(BadInput, match="electricity \\(purchased\\) appears twice on 2024-01-01"):
        footprint([*POWER, POWER[0]])
    with pytest.raises(BadInput, match="is not within 2024-01-01 to 2025-01-01"):
        footprint([POWER[0].model_copy(update={"start": date(2023, 12, 1)})])


def test_gross_and_net_calorific_value_are_not_mixed() -> None:
    known = site(factors=[])
    gross = [stored(factor("0.18", activity="natural gas", scope=1, unit="kWh (Gross CV)", factor_id="gross"))]
    fits = footprint(months(Carrier.NATURAL_GAS, *["50"] * 12, calorific_basis="gross"), *gross, of=known)
    assert fits.scope1_kgco2e == 108
    # A site whose electricity nobody counts has a Scope 2 all the same: its zero is told.
    assert (fits.scope2_location_kgco2e, codes(fits)) == (0, {"not_counted_electricity"})
    for basis in ("net", ""):
        found = footprint(months(Carrier.NATURAL_GAS, *["50"] * 12, calorific_basis=basis), *gross, of=known)
        assert (found.scope1_kgco2e, codes(found)) == (None, {"calorific_basis", "not_counted_electricity"})


def test_a_scope_1_that_no_meter_measures_is_told_from_a_measured_zero() -> None:
    without, measured = footprint(POWER), footprint([*POWER, *months(Carrier.NATURAL_GAS, *["0"] * 12)])
    assert (without.scope1_kgco2e, measured.scope1_kgco2e) == (0, 0)
    assert "not_counted_fuel" in codes(without) - codes(measured)


def test_the_market_based_figure_uses_the_instruments_of_the_site() -> None:
    rows = [
        stored(held(Basis.CERTIFICATE, "0", instrument_kwh="1000", factor_id="rego"), tenant="plant"),
        stored(held(Basis.RESIDUAL, "0.5", region="DE", factor_id="mix")),
        stored(held(Basis.CERTIFICATE, "0", factor_id="of others"), tenant="tower"),
        stored(held(Basis.CERTIFICATE, "0", factor_id="of nobody")),
        stored(held(Basis.SUPPLIER, "0.1", supplier="Green Co", factor_id="rate")),
    ]
    found = footprint([*POWER, *GAS], *rows)
    assert found.scope2_market_kgco2e == (2400 - 1000) * Decimal("0.5")
    assert found.scope2_location_kgco2e == 600
    assert footprint([*POWER, *GAS], *rows, supplier="green co").scope2_market_kgco2e == 140


def test_the_site_s_own_rows_stand_before_its_file_and_those_before_its_region() -> None:
    rows = [
        stored(factor("0.9", factor_id="mine", valid_from=date(2024, 4, 1), valid_to=CHANGE), tenant="plant"),
        stored(factor("0.7", factor_id="region", region="DE", valid_to=date(2026, 1, 1))),
        stored(factor("0.6", factor_id="anywhere", valid_to=date(2027, 1, 1))),
        stored(factor("0.5", factor_id="france", region="FR")),
    ]
    view = factor_view(site(), rows).of(Carrier.ELECTRICITY, Basis.LOCATION)
    assert [(each.factor_id, each.origin, each.valid_from.isoformat()) for each in view] == [
        ("e1", "site_file", "2024-01-01"),
        ("mine", "tenant", "2024-04-01"),
        ("e2", "site_file", "2024-07-01"),
        ("region", "store", "2025-01-01"),
        ("anywhere", "store", "2026-01-01"),
    ]


@pytest.mark.parametrize(
    ("region", "is_used"), [("FR", False), ("fr-idf", False), ("DE", True), ("", True), ("CAMX", True)]
)
def test_a_certificate_of_another_country_is_refused_by_name(region: str, is_used: bool) -> None:
    rows = [
        stored(held(Basis.CERTIFICATE, "0", factor_id="GO", instrument_kwh="600", region=region), tenant="plant"),
        stored(held(Basis.RESIDUAL, "0.5", factor_id="mix", region="DE")),
    ]
    found = footprint(POWER, *rows)
    assert found.scope2_market_kgco2e == (900 if is_used else 1200)
    refused = {finding.message for finding in found.findings if finding.code == "instrument_refused"}
    expected = set() if is_used else {"certificate GO is not used for electricity: it is of another market"}
    assert refused == expected


def test_a_row_of_the_subdivision_stands_before_one_of_the_country() -> None:
    known = site(factors=[], subdivision="BY")
    rows = [
        stored(factor("0.7", factor_id="country", region="DE")),
        stored(factor("0.6", factor_id="state", region="de-by", valid_from=CHANGE)),
        stored(factor("0.5", factor_id="elsewhere", region="DE-HE")),
    ]
    view = factor_view(known, rows).of(Carrier.ELECTRICITY, Basis.LOCATION)
    assert [(each.factor_id, each.valid_from) for each in view] == [("country", YEAR.start), ("state", CHANGE)]


def test_an_entry_of_the_site_file_is_known_from_its_recorded_time_on() -> None:
    known = site(factors=[entry("late", "0.4", "2024-01-01", "2025-01-01", recorded_at_utc="2025-01-10T00:00:00Z")])
    assert factor_view(known, as_of_utc=datetime(2025, 1, 9, tzinfo=UTC)).entries == ()
    assert len(factor_view(known, as_of_utc=datetime(2025, 1, 10, tzinfo=UTC)).entries) == 1


def test_gases_of_the_store_are_weighed_by_the_named_set_and_other_units_converted() -> None:
    gases = [
        stored(factor(None, unit="MWh", gas=gas, kg_per_unit=kg, factor_id="camx"), tenant="plant")
        for gas, kg in (("CO2", "200"), ("CH4", "1"))
    ]
    known = site(factors=[])
    (entry_,) = factor_view(known, gases, gwp=GwpSet.AR5).entries
    assert (entry_.kgco2e_per_kwh, entry_.factor_id, entry_.origin) == (Decimal("0.228"), "camx", "tenant")
    with pytest.raises(BadInput, match="has no GWP set"):
        factor_view(known, gases)
    heavy = stored(factor("70", unit="tonnes", activity="steam"), tenant="plant")
    assert factor_view(known, [heavy]).entries == ()


def test_two_rows_of_one_rank_on_a_day_are_refused() -> None:
    rows = [stored(factor(factor_id="a", region="DE")), stored(factor(factor_id="b", region="de"), day=2)]
    with pytest.raises(BadInput, match=r"factors a and b for electricity \(location\) both hold on 2024-01-01"):
        factor_view(site(factors=[]), rows)


def test_activities_are_known_as_carriers_by_their_usual_names() -> None:
    assert carrier_of("Natural gas") is Carrier.NATURAL_GAS
    assert carrier_of("district_heat") is Carrier.HEAT
    assert carrier_of("UK electricity / Electricity generated / Electricity: UK") is None


energies_of_days = st.lists(st.decimals(0, 10**5, places=9), min_size=366, max_size=366)


@settings(max_examples=10, deadline=None)
@given(energies_of_days, st.lists(st.tuples(st.integers(0, 365), st.decimals(0, 2, places=6)), max_size=6))
def test_days_of_any_year_sum_exactly_whatever_the_factors(
    days: list[Decimal], changes: list[tuple[int, Decimal]]
) -> None:
    starts = dict([(0, Decimal("0.3")), *changes])
    edges = [*sorted(starts), 366]
    known = site(
        factors=[
            entry(
                str(one),
                str(starts[one]),
                str(YEAR.start + timedelta(days=one)),
                str(YEAR.start + timedelta(days=other)),
            )
            for one, other in pairwise(edges)
        ]
    )
    energies = [
        SiteEnergy(
            carrier=Carrier.ELECTRICITY,
            start=YEAR.start + timedelta(days=n),
            end=YEAR.start + timedelta(days=n + 1),
            kwh=kwh,
        )
        for n, kwh in enumerate(days)
    ]
    found = footprint(energies, of=known)
    rates = [starts[max(one for one in starts if one <= n)] for n in range(366)]
    assert found.scope2_location_kgco2e == sum(kwh * rate for kwh, rate in zip(days, rates, strict=True))
    assert sum(line.kwh or 0 for line in found.lines if line.method == "location") == sum(days)


def test_energies_come_from_readings_once_and_exactly(lake: Lake) -> None:
    known = plant()
    filled_lake(lake, known, seed=3)
    start, end = SPANS[0]
    period = parse_period(f"{start}/{end}", known.time_zone)
    readings = site_readings(lake, known, start_utc=period.start_utc, end_utc=period.end_utc)
    found = site_energies(readings, site=known, period=period)
    bought = [each for each in found if each.role == "purchased"]
    assert {each.carrier for each in bought} == {Carrier.ELECTRICITY, Carrier.NATURAL_GAS}
    for carrier, meters in ((Carrier.ELECTRICITY, ["main", "annex"]), (Carrier.NATURAL_GAS, ["gas"])):
        own = readings.filter(pl.col("meter_id").is_in(meters) & (pl.col("register") == "import"))
        total = sum(Decimal(str(value)) for value in own["value"])
        assert sum(each.kwh or 0 for each in bought if each.carrier == carrier) == total
        slots = 6 * 96 - 4
        assert sum(
            each.coverage * (92 if each.start == date(2025, 3, 30) else 96)
            for each in bought
            if each.carrier == carrier
        ) == (Decimal(own.height) / len(meters))
        assert own.height < slots * len(meters)
    exported = [each for each in found if each.role == "exported"]
    assert len(exported) == 6
    assert all(0 < each.estimated_share < 1 for each in bought)


def test_a_day_that_nobody_read_has_no_energy_rather_than_none_of_it(lake: Lake) -> None:
    known = plant()
    filled_lake(lake, known, seed=3)
    period = parse_period("2025-04", known.time_zone)
    readings = site_readings(lake, known, start_utc=period.start_utc, end_utc=period.end_utc)
    found = [each for each in site_energies(readings, site=known, period=period) if each.carrier is Carrier.NATURAL_GAS]
    assert [each.kwh is None for each in found] == [False] * 2 + [True] * 28


def test_one_changed_factor_restates_its_lines_with_the_cause_and_leaves_yesterday_alone(
    store: Store, clock: FixedClock
) -> None:
    known, factors = site(), FactorStore(store)
    factors.add(
        FactorSet(path="f", sha256="a" * 64, factors=(factor("0.4", factor_id="x"),)), clock=clock, tenant="plant"
    )
    yesterday = clock.now_utc()
    clock.advance(timedelta(days=1))
    changed = factor("0.5", factor_id="x2", valid_from=date(2024, 3, 1), valid_to=date(2024, 4, 1))
    before = view_at(known, factors, yesterday)
    factors.add(FactorSet(path="f", sha256="b" * 64, factors=(changed,)), clock=clock, tenant="plant")
    assert view_at(known, factors, yesterday) == before
    found = restate(before, view_at(known, factors, clock.now_utc()), from_utc=yesterday, to_utc=clock.now_utc())
    assert [(line.month.month, line.method) for line in found.lines] == [(3, "location"), (3, "market")]
    line = found.lines[0]
    assert (line.old_kgco2e, line.new_kgco2e, line.delta_kgco2e) == (40, 50, 10)
    assert (line.by_factor_kgco2e, line.by_reading_kgco2e) == (10, 0)
    assert line.causes == ("factor: x (0.4 kg/kWh) became x2 (0.5 kg/kWh)",)
    assert (line.old_factor_ids, line.new_factor_ids) == (("x",), ("x2",))


def view_at(known: Site, factors: FactorStore, moment: datetime) -> Footprint:
    rows = factors.known(as_of_utc=moment, tenant=known.site_id)
    return site_footprint(known, [*POWER, *GAS], factor_view(known, rows, as_of_utc=moment), period=YEAR)


def test_a_late_reading_is_told_from_a_changed_factor() -> None:
    late = [each.model_copy(update={"kwh": Decimal(120)}) if each.start.month == 2 else each for each in POWER]
    first = footprint([*POWER, *GAS])
    second = restate(first, footprint([*late, *GAS]), from_utc=NOW, to_utc=NOW)
    assert {line.causes for line in second.lines} == {("reading: 100 kWh became 120 kWh",)}
    assert (second.lines[0].by_reading_kgco2e, second.lines[0].by_factor_kgco2e) == (8, 0)
    both = site(
        factors=[
            entry("n", "0.5", "2024-01-01", "2025-01-01"),
            *[entry("g", "0.18", "2024-01-01", "2025-01-01", carrier="natural_gas")],
        ]
    )
    mixed = restate(first, footprint([*late, *GAS], of=both), from_utc=NOW, to_utc=NOW)
    line = next(each for each in mixed.lines if each.month.month == 2)
    assert len(line.causes) == 2
    assert (line.delta_kgco2e, line.by_reading_kgco2e, line.by_factor_kgco2e) == (20, 8, 12)
    missing = restate(first, footprint([*POWER[1:], *GAS]), from_utc=NOW, to_utc=NOW)
    assert missing.lines[0].causes == ("reading: 100 kWh became no kWh", "factor: e1 (0.4 kg/kWh) became none")
    assert missing.lines[0].delta_kgco2e is None
    assert restate(first, first, from_utc=NOW, to_utc=NOW).lines == ()
    with pytest.raises(OurFault, match="one site and period"):
        restate(first, first.model_copy(update={"site_id": "other"}), from_utc=NOW, to_utc=NOW)


def test_a_footprint_of_nothing_has_no_coverage() -> None:
    empty = site_footprint(site(), [], FactorView(()), period=YEAR)
    assert (empty.coverage, empty.factor_coverage, empty.lines) == (0, 0, ())


def test_a_late_batch_in_the_lake_restates_only_its_month(lake: Lake) -> None:
    known = plant()
    rows = random_rows(known, seed=5, share_missing=0)
    first_at = datetime(2025, 11, 1, tzinfo=UTC)
    fill(lake, known, rows, clock=FixedClock(first_at), name="first")
    late = rows.filter((pl.col("meter_id") == "gas") & (pl.col("interval_start_utc").dt.month() == 10)).with_columns(
        value=pl.lit(1.0)
    )
    fill(lake, known, late, clock=FixedClock(first_at + timedelta(days=1)), name="late")
    period = parse_period("2025", known.time_zone)
    gas = stored(factor("0.2", activity="natural_gas", scope=1, valid_from=date(2025, 1, 1), valid_to=date(2026, 1, 1)))

    def at(moment: datetime) -> Footprint:
        readings = site_readings(lake, known, as_of_utc=moment)
        view = factor_view(known, [gas])
        return site_footprint(known, site_energies(readings, site=known, period=period), view, period=period)

    old, new = at(first_at + timedelta(hours=1)), at(first_at + timedelta(days=2))
    found = restate(old, new, from_utc=first_at, to_utc=first_at + timedelta(days=2))
    assert {(line.month.month, line.carrier) for line in found.lines} == {(10, Carrier.NATURAL_GAS)}
    assert all(line.causes[0].startswith("reading: ") for line in found.lines)
