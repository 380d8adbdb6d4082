"""Compiled twice: linear terms at a load are the bill; a solver that minimises them finds the bill."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from assets.bills.engine.bill_terms import bill_terms
from assets.bills.engine.settle import Account
from assets.tariffs.linear_evaluate import evaluate
from assets.tariffs.linear_model import LinearTerms, NotLinear, Peak, Tiers
from assets.tariffs.linear_rows import rows_of
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from tests.bills.scenes import BERLIN, load
from tests.bills.scenes import bill as bill_of
from tests.bills.scenes import demand as demand_of
from tests.bills.scenes import tariff as tariff_of
from tests.tariffs.linear_case import NANO, Tally, billed, compare, compiled, is_lp, sides
from tests.tariffs.linear_solver import least_cost
from tests.tariffs.linear_table import ROWS
from tests.tariffs.random_tariffs import Case, _spot, cases

DOC = Path(__file__).resolve().parents[2] / "docs/ems/tariffs.md"
D = Decimal
JANUARY = (date(2025, 1, 1), date(2025, 2, 1))
QUIET = settings(
    deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def terms_of(tariff: Tariff, *, period: tuple[date, date] = JANUARY, **options: Any) -> LinearTerms | NotLinear:
    given_options: dict[str, Any] = {"time_zone": BERLIN, "step_minutes": 60, "max_import_kw": D(60)}
    return bill_terms([tariff], start=period[0], end=period[1], **{**given_options, **options})


def exact(tariff: Tariff, **options: Any) -> LinearTerms:
    found = terms_of(tariff, **options)
    assert isinstance(found, LinearTerms), found
    return found


@settings(QUIET, max_examples=150)
@given(cases())
def test_terms_evaluated_at_the_load_are_the_bill(case: Case) -> None:
    compare(case, Tally())


@settings(QUIET, max_examples=20)
@given(cases(most_days=2))
def test_a_solver_that_minimises_the_rows_finds_the_bill(case: Case) -> None:
    terms = compiled(case)
    if isinstance(terms, NotLinear):
        return
    bought, sold = (side / 1e9 for side in sides(case))
    cost, _ = least_cost(terms, bought, sold)
    assert cost == pytest.approx(float(evaluate(terms, list(bought), list(sold))), abs=0.01)
    moved, at = least_cost(terms, bought, sold, is_movable=True)
    assert moved == pytest.approx(float(evaluate(terms, list(at), list(sold))), abs=0.01)
    assert moved <= cost + 0.01


def test_a_small_bill_is_what_a_person_adds_up() -> None:
    known = tariff_of(
        demand=[demand_of(minimum_kw=3)], fixed=[{"charge_id": "f", "amount": 7}],
        taxes=[{"charge_id": "vat", "share": "0.2"}],
    )  # fmt: skip
    terms = exact(known)
    assert set(terms.import_price_per_kwh) == {D("0.12")}
    assert terms.constant == D("8.4")
    flat = [D(2)] * 744
    # (744 x 2 x 0.10 + 3 kW + 7) x 1.2; with one hour of 10 kWh: 8 kWh and 7 kW more.
    assert evaluate(terms, flat, [D(0)] * 744) == D("190.56")
    assert evaluate(terms, [D(10), *flat[1:]], [D(0)] * 744) == D("190.56") + D("0.96") + D("8.4")


def test_a_horizon_in_the_bill_knows_the_peak_and_the_tiers_that_are_passed() -> None:
    tiers = [{"price": "0.1", "up_to": 1000}, {"price": "0.3"}]
    known = tariff_of(periods=[{"period_id": "all", "tiers": tiers}], demand=[demand_of()])
    used = load(4, step=60, s5=30)
    day = (used.start_utc + timedelta(days=20), used.start_utc + timedelta(days=21))
    terms = exact(known, horizon=day, known=used)
    assert terms.size == 24
    peak = next(term for term in terms.terms if isinstance(term, Peak))
    assert peak.floor_kw == (D(30),)
    whole = bill_of(known, used, rounding="none").total
    assert evaluate(terms, [4] * 24, [0] * 24) == whole
    assert evaluate(terms, [5] * 24, [0] * 24) == whole + 24 * D("0.3")
    assert evaluate(terms, [31, *[4] * 23], [0] * 24) == whole + 27 * D("0.3") + 1


def test_earlier_peaks_are_the_floor_and_a_window_over_the_horizons_edge_counts_what_is_known() -> None:
    known = tariff_of(demand=[demand_of(window_minutes=120, ratchet={"share": "0.5", "months": 3})])
    account = Account(peaks={"demand": {(2024, 12): {"all": D(20)}}})
    used = load(2, step=60, s0=8)
    after_first = (used.start_utc + timedelta(hours=1), used.end_utc)
    terms = exact(known, horizon=after_first, known=used, account=account)
    energy = D("0.1") * (8 + 743 * 2)
    assert evaluate(terms, [2] * 743, [0] * 743) == energy + 10
    assert evaluate(terms, [16, *[2] * 742], [0] * 743) == energy + D("1.4") + 12
    assert [each.component for each in terms.left_out] == ["demand"]


@pytest.mark.parametrize(("includes_current", "night_kw"), [(True, 10), (False, 2)])
def test_a_ratchet_of_the_present_month_lifts_the_periods_beside_the_one_that_sets_it(
    includes_current: bool, night_kw: int
) -> None:
    periods = [
        {"period_id": "day", "price_per_kw": 1, "start": "06:00", "end": "22:00"},
        {"period_id": "night", "price_per_kw": 1, "start": "22:00", "end": "06:00"},
    ]
    ratchet = {"share": "0.5", "includes_current": includes_current, "of_periods": ["day"]}
    terms = exact(tariff_of(demand=[demand_of(periods=periods, ratchet=ratchet)]))
    power = [D(2)] * 744
    power[12] = D(20)
    assert evaluate(terms, power, [D(0)] * 744) == D("0.1") * (744 * 2 + 18) + 20 + night_kw


def test_more_credit_than_charges_is_left_with_the_account() -> None:
    known = tariff_of(export={"price_per_kwh": "0.5"}, metering={"arrangement": "net_billing_carry"})
    answer = terms_of(known)
    assert isinstance(answer, NotLinear)
    assert answer.component == "credit"
    terms = exact(known, credits_beyond="leave_out", max_export_kw=D(60))
    assert [each.component for each in terms.left_out] == ["credit"]
    assert evaluate(terms, [1] * 744, [0] * 744) == D("74.4")
    assert evaluate(terms, [1] * 744, [1] * 744) == 0


def table_of(parts: dict[str, Any]) -> str:
    base: dict[str, Any] = {"tariff_id": "t", "currency": "EUR"}
    if "periods" not in parts:
        base["periods"] = [{"period_id": "all", "price_per_kwh": "0.20"}]
    begun = datetime(2024, 12, 31, 23, tzinfo=UTC)
    answer = terms_of(
        Tariff.model_validate(base | parts), prices={"spot": _spot(begun, 744)}, kvarh=D(900), max_export_kw=D(60)
    )
    return "refused" if isinstance(answer, NotLinear) else "LP" if is_lp(answer) else "binary"


@pytest.mark.parametrize("row", ROWS)
def test_a_component_becomes_what_the_table_says(row: str) -> None:
    expected, parts = ROWS[row]
    assert table_of(parts) == expected


@pytest.mark.parametrize("row", [row for row, (kind, _) in ROWS.items() if kind != "refused"])
def test_the_rows_of_each_component_cost_what_the_bill_does(row: str) -> None:
    base = {} if "periods" in ROWS[row][1] else {"periods": [{"period_id": "all", "price_per_kwh": "0.20"}]}
    used = replace(load(6, step=60, s332=25), kvarh=np.full(744, 2_000_000_000, dtype=np.int64))
    used.load[320:340:3] = -9_000_000_000
    case = Case(
        tariff=Tariff.model_validate({"tariff_id": "t", "currency": "EUR", **base, **ROWS[row][1]}), load=used,
        zone=BERLIN, start=JANUARY[0], end=JANUARY[1], account=Account(), cut=(312, 360),
        prices={"spot": _spot(used.start_utc, 744)},
    )  # fmt: skip
    terms = compiled(case)
    assert isinstance(terms, LinearTerms)
    bought, sold = (side / 1e9 for side in sides(case))
    assert least_cost(terms, bought, sold)[0] == pytest.approx(float(billed(case)), abs=0.01)
    if row != "feed-in cap in kW, export costs money":
        return
    assert sum(each.is_binary for each in rows_of(terms).variables) == 48


def test_the_document_holds_the_table() -> None:
    text = DOC.read_text(encoding="utf-8").partition("## Compiled twice")[2]
    rows = re.findall(r"^\| (.+?) \| (LP|binary|refused) \|", text, flags=re.MULTILINE)
    assert dict(rows) == {row: kind for row, (kind, _) in ROWS.items()}


def test_a_binary_names_what_it_means() -> None:
    terms = exact(Tariff.model_validate({"tariff_id": "t", "currency": "EUR", **ROWS["energy tiers that fall"][1]}))
    meanings = [each.meaning for each in rows_of(terms).variables if each.is_binary]
    assert meanings == ["energy.all.tiers: tier 1 is full"]


def test_without_a_bound_on_import_a_declining_tier_is_refused() -> None:
    known = Tariff.model_validate({"tariff_id": "t", "currency": "EUR", **ROWS["energy tiers that fall"][1]})
    answer = terms_of(known, max_import_kw=None)
    assert isinstance(answer, NotLinear)
    assert answer.component == "energy.all.tiers"
    assert "max_import_kw" in answer.why


def test_a_bill_over_two_tariffs_is_refused_by_name() -> None:
    first = tariff_of(valid_to="2025-01-15")
    second = tariff_of(valid_from="2025-01-15").model_copy(update={"tariff_id": "later"})
    answer = bill_terms([first, second], time_zone=BERLIN, start=JANUARY[0], end=JANUARY[1], step_minutes=60)
    assert answer == NotLinear(component="bill", why="a bill over two tariffs (t and later); give each part by itself")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"known": load(1, step=15)}, "mixed_intervals"),
        ({"horizon": (datetime(2025, 1, 2, 0, 30, tzinfo=UTC), datetime(2025, 1, 3, tzinfo=UTC))}, "horizon_off_grid"),
        ({"horizon": (datetime(2025, 3, 2, tzinfo=UTC), datetime(2025, 3, 3, tzinfo=UTC))}, "horizon_off_grid"),
        ({"horizon": (datetime(2025, 1, 3, tzinfo=UTC), datetime(2025, 1, 3, tzinfo=UTC))}, "bad_period"),
        ({"period": (date(2025, 1, 3), date(2025, 1, 3))}, "bad_period"),
    ],
)
def test_a_wrong_request_is_one_named_fault(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadInput) as caught:
        terms_of(tariff_of(), **options)
    assert caught.value.reason == reason


def test_a_missing_price_is_refused_not_zero() -> None:
    known = tariff_of(energy=[{"charge_id": "spot", "series": {"series": "spot"}}])
    with pytest.raises(BadInput, match="none was given"):
        terms_of(known)
    short = {"spot": _spot(datetime(2024, 12, 31, 23, tzinfo=UTC), 100)}
    with pytest.raises(BadInput, match="a missing price is not zero"):
        terms_of(known, prices=short)
    other = {"spot": replace(short["spot"], currency="GBP")}
    with pytest.raises(BadInput, match="prices are in GBP"):
        terms_of(known, prices=other)


def test_a_rider_per_kw_goes_by_the_interval_where_no_demand_charge_has_its_season() -> None:
    summer = [{"period_id": "summer", "months": [6, 7, 8], "price_per_kw": 9}]
    known = tariff_of(
        demand=[demand_of(periods=summer, window_minutes=60)], riders=[{"charge_id": "r", "price_per_kw": 2}]
    )
    used = load(4, step=60, s5=30)
    # 743 hours of 4 kWh and one of 30 at 0.10, and 30 kW at 2: 297.2 + 3 + 60.
    assert evaluate(exact(known), used.load / 1e9, np.zeros(744)) == D("360.2")
    assert bill_of(known, used).total == D("360.20")


@pytest.mark.parametrize("name", ["use", "surplus"])
def test_charges_may_have_any_name(name: str) -> None:
    prices = {"spot": _spot(datetime(2024, 12, 31, 23, tzinfo=UTC), 744)}
    bought = {"charge_id": name, "series": {"series": "spot"}}
    assert exact(tariff_of(energy=[bought]), prices=prices)
    sold = {"charge_id": name, "series": {"series": "spot"}}
    assert exact(tariff_of(export=sold), prices=prices, max_export_kw=D(60))


def test_a_price_of_surplus_that_net_metering_never_pays_is_not_asked_for() -> None:
    metering = {"arrangement": "net_metering_money", "true_up_month": 1}
    known = tariff_of(metering=metering, export={"series": {"series": "spot"}})
    used = load(4, step=60, s5=30)
    used = replace(used, generation=np.where(np.arange(used.size) == 7, 9 * 10**9, 0))
    day = (used.start_utc + timedelta(days=20), used.start_utc + timedelta(days=21))
    terms = exact(known, horizon=day, known=used)
    assert evaluate(terms, [D(4)] * 24, [D(0)] * 24) == bill_of(known, used).total


def test_shares_of_a_month_are_those_of_the_bill_to_the_last_digit() -> None:
    known = tariff_of(fixed=[{"charge_id": "f", "amount": 7, "per": "month"}])
    # Eleven of 31 days to 28 digits, as the bill's line has them.
    assert exact(known, period=(date(2025, 1, 1), date(2025, 1, 12))).constant == D("2.4838709677419354838709677418")


def test_a_load_of_another_length_is_our_fault() -> None:
    with pytest.raises(ValueError, match="expected 744 intervals, got 2"):
        evaluate(exact(tariff_of()), [1, 2], [0, 0])


# What a compiler could get wrong, and a case that sees it.
FALLING = {"periods": [{"period_id": "all", "tiers": [{"price": "0.3", "up_to": 500}, {"price": "0.1"}]}]}


def case_of(**parts: Any) -> Case:
    used = replace(load(4, step=60, s5=30), kvarh=np.zeros(744, dtype=np.int64))
    return Case(
        tariff=tariff_of(**FALLING, demand=[demand_of(ratchet={})], **parts), load=used, zone=BERLIN, start=JANUARY[0],
        end=JANUARY[1], account=Account(peaks={"demand": {(2024, 12): {"all": D(50)}}}), cut=(0, 744),
    )  # fmt: skip


def no_ratchet(terms: LinearTerms) -> dict[str, Any]:
    found = [(name.replace(".billed", ".peak"), rate) for name, rate in terms.objective]
    return {"objective": tuple(found)}


MUTANTS: dict[str, Any] = {
    "a price is dropped": lambda terms: {"objective": terms.objective[:1]},
    "the constant is dropped": lambda terms: {"constant": D(0)},
    "the ratchet is no floor": no_ratchet,
    "tiers end elsewhere": lambda terms: {
        "terms": tuple(
            term.model_copy(update={"up_to": (D(600), None)}) if isinstance(term, Tiers) else term
            for term in terms.terms
        )
    },
}


def assert_same(terms: LinearTerms, case: Case) -> None:
    bought, sold = sides(case)
    cost = evaluate(terms, [int(value) * NANO for value in bought], [int(value) * NANO for value in sold])
    assert abs(cost - billed(case)) <= D("0.01")


@pytest.mark.parametrize("change", MUTANTS.values(), ids=list(MUTANTS))
def test_the_comparison_sees_a_wrong_term(change: Any) -> None:
    case = case_of(fixed=[{"charge_id": "f", "amount": 5}])
    terms = compiled(case)
    assert isinstance(terms, LinearTerms)
    if change is not no_ratchet:
        assert_same(terms, case)
    with pytest.raises(AssertionError):
        assert_same(terms.model_copy(update=change(terms)), case)


def test_declining_tiers_without_their_binaries_would_be_too_cheap() -> None:
    case = case_of()
    terms = compiled(case)
    assert isinstance(terms, LinearTerms)
    bought, sold = (side / 1e9 for side in sides(case))
    relaxed = terms.model_copy(
        update={"terms": tuple(t.model_copy(update={"how": "lp"}) if isinstance(t, Tiers) else t for t in terms.terms)}
    )
    assert least_cost(terms, bought, sold)[0] == pytest.approx(float(billed(case)), abs=0.01)
    assert least_cost(relaxed, bought, sold)[0] == pytest.approx(float(billed(case)) - 100, abs=0.01)


@settings(QUIET, max_examples=20)
@given(cases(most_days=3))
def test_terms_survive_being_written_and_read(case: Case) -> None:
    terms = compiled(case)
    if isinstance(terms, LinearTerms):
        assert LinearTerms.model_validate_json(terms.model_dump_json()) == terms
