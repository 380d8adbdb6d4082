"""Scope 2 by both methods: the hierarchy, the quality criteria, and no kilowatt hour claimed twice."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.carbon.inventory.instruments import failures
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import HIERARCHY, Basis, Factor
from tests.carbon.cases import account, answer, bought, by_basis, factor, held, written

RATES = {Basis.CERTIFICATE: "0", Basis.CONTRACT: "0.01", Basis.SUPPLIER: "0.1", Basis.RESIDUAL: "0.4"}


def everything() -> dict[Basis, Factor]:
    return {basis: held(basis, rate) for basis, rate in RATES.items()}


@pytest.mark.parametrize("count", range(len(HIERARCHY) + 1))
def test_the_first_of_the_hierarchy_that_is_there_decides(count: int) -> None:
    rows = [row for basis, row in everything().items() if basis in HIERARCHY[count:]]
    result = account(bought(), factor("0.2"), *rows)
    wanted = {HIERARCHY[count].value: Decimal(RATES[HIERARCHY[count]]) * 1000} if rows else {"location": Decimal(200)}
    assert by_basis(result) == wanted
    assert result.scope2_location_kgco2e == 200
    assert ("no_residual_mix" in {finding.code for finding in result.findings}) == (not rows)


def test_without_a_residual_mix_grid_average_is_used_and_said() -> None:
    result = account(bought(), factor("0.2"), held(Basis.CERTIFICATE, "0", instrument_kwh="400"))
    assert by_basis(result) == {"certificate": 0, "grid_average": 120}
    assert "no residual mix" in result.findings[-1].message
    assert result.scope2_market_kgco2e == 120


def test_certificates_never_touch_the_location_based_method() -> None:
    with_them = account(bought(), factor("0.2"), *everything().values())
    assert with_them.scope2_location_kgco2e == account(bought(), factor("0.2")).scope2_location_kgco2e


CRITERIA: dict[str, tuple[dict[str, Any], str]] = {
    "not conveyed": ({"is_conveyed": False}, "does not convey"),
    "not unique": ({"is_unique": False}, "is not the only instrument"),
    "not redeemed": ({"is_redeemed": False}, "is not redeemed"),
    "other market": ({"is_same_market": False}, "is of another market"),
    "no residual mix used": ({"is_residual_mix_used": False}, "without a residual mix"),
    "old vintage": ({"vintage_from": date(2020, 1, 1), "vintage_to": date(2021, 1, 1)}, "too far from the consumption"),
    "late vintage": (
        {"vintage_from": date(2026, 1, 1), "vintage_to": date(2027, 1, 1)},
        "too far from the consumption",
    ),
}


@pytest.mark.parametrize("name", CRITERIA)
def test_an_instrument_that_fails_a_criterion_is_not_used_and_the_criterion_is_named(name: str) -> None:
    criteria, sentence = CRITERIA[name]
    rows = [held(Basis.CERTIFICATE, "0", criteria=criteria), held(Basis.RESIDUAL, "0.4")]
    result = account(bought(), factor("0.2"), *rows)
    assert by_basis(result) == {"residual": 400}
    (finding,) = result.findings
    assert finding.code == "instrument_refused"
    assert sentence in finding.message


def test_an_instrument_of_another_market_than_the_consumption_is_refused() -> None:
    rows = [held(Basis.CERTIFICATE, "0", region="NO"), held(Basis.RESIDUAL, "0.4", region="GB")]
    result = account(bought(region="GB"), factor("0.2", region="GB"), *rows)
    assert by_basis(result) == {"residual": 400}
    assert "is of market NO, the consumption of GB" in result.findings[0].message


@pytest.mark.parametrize(
    ("start", "end", "first", "last", "is_close"),
    [
        ("2024-01-01", "2025-01-01", "2024-01-01", "2025-01-01", True),
        ("2024-01-01", "2025-01-01", "2023-07-01", "2025-04-03", True),
        ("2024-01-01", "2025-01-01", "2023-06-30", "2024-01-01", False),
        ("2024-01-01", "2025-01-01", "2025-01-01", "2025-04-03", True),
        ("2024-01-01", "2025-01-01", "2025-01-02", "2025-04-04", False),
        ("2024-01-01", "2025-01-01", "2023-01-01", "2024-01-01", False),
        ("2024-01-01", "2025-01-01", "2022-01-01", "2023-01-01", False),
        ("2024-01-01", "2025-01-01", "2015-01-01", "2025-01-01", False),
        ("2024-12-01", "2025-01-01", "2024-01-01", "2025-01-01", True),
        ("2024-01-01", "2024-02-01", "2024-11-01", "2024-12-01", True),
        ("2023-04-01", "2024-04-01", "2024-01-01", "2025-01-01", True),
        ("2023-04-01", "2024-04-01", "2022-01-01", "2023-01-01", False),
    ],
)
def test_a_vintage_lies_in_the_window_of_21_months_about_the_reporting_year(
    start: str, end: str, first: str, last: str, is_close: bool
) -> None:
    row = held(Basis.CERTIFICATE, "0", criteria={"vintage_from": first, "vintage_to": last})
    assert failures(row, start=date.fromisoformat(start), end=date.fromisoformat(end)) == (
        [] if is_close else [f"has the vintage {first} to {last}, too far from the consumption of {start} to {end}"]
    )


def test_an_instrument_named_for_another_time_or_customer_is_refused_by_name() -> None:
    old = held(Basis.CERTIFICATE, "0", factor_id="REGO 22", valid_from=date(2022, 1, 1), valid_to=date(2023, 1, 1))
    theirs = held(Basis.SUPPLIER, "0", factor_id="green rate", supplier="other")
    mix = held(Basis.RESIDUAL, "0.4")
    for name, reason in (
        ("REGO 22", "holds from 2022-01-01 to 2023-01-01, the consumption is of 2024-01-01 to 2025-01-01"),
        ("certificate", "holds from 2022-01-01 to 2023-01-01"),
        ("green rate", "is of supplier other, the consumption of none that is named"),
    ):
        result = account(bought(instrument=name), factor("0.2"), old, theirs, mix)
        assert by_basis(result) == {"residual": 400}
        (refused,) = [each for each in result.findings if each.code == "instrument_refused"]
        assert reason in refused.message
    with pytest.raises(BadInput, match=r"line 2: instrument 'REGO 23' fits no factor of 'electricity'"):
        account(bought(instrument="REGO 23"), factor("0.2"), old, mix)


def test_what_is_claimed_beyond_an_instrument_and_what_is_left_of_it_are_said() -> None:
    rego = held(Basis.CERTIFICATE, "0", factor_id="REGO", instrument_kwh="1500")
    lines = [bought(activity_id=name, instrument="REGO") for name in ("a", "b")]
    over = account(lines, factor("0.2"), rego, held(Basis.RESIDUAL, "0.4"))
    assert [each.message for each in over.findings] == [
        "b: REGO covers 500 of 1000 kWh; the rest follows the next level below it"
    ]
    assert over.scope2_market_kgco2e == 200
    under = account(lines[0], factor("0.2"), rego, held(Basis.RESIDUAL, "0.4"))
    assert [(each.code, each.facts["kwh"]) for each in under.findings] == [("instrument_unclaimed", 500)]
    assert "certificate REGO: 500 of 1,500 kWh are not used" in under.findings[0].message


def test_a_contract_with_an_amount_for_each_half_year_has_both() -> None:
    halves = [
        held(Basis.CONTRACT, "0", factor_id="PPA", valid_from=start, valid_to=end, instrument_kwh=amount)
        for start, end, amount in (
            (date(2024, 1, 1), date(2024, 7, 1), "300"), (date(2024, 7, 1), date(2025, 1, 1), "200"),
        )
    ]  # fmt: skip
    result = account(bought(), factor("0.2"), *halves, held(Basis.RESIDUAL, "0.4"))
    assert sum(line.quantity for line in result.lines if line.basis == "contract") == 500
    assert result.scope2_market_kgco2e == 200


def test_criteria_that_nobody_states_are_said() -> None:
    bare = factor("0", factor_id="rego", basis=Basis.CERTIFICATE)
    result = account(bought(), factor("0.2"), bare)
    assert by_basis(result) == {"certificate": 0}
    assert result.findings[0].code == "criteria_not_stated"
    assert "vintage" in result.findings[0].message


def test_two_activities_share_one_certificate_and_claim_it_once() -> None:
    rows = [held(Basis.CERTIFICATE, "0", instrument_kwh="1500"), held(Basis.RESIDUAL, "0.4")]
    lines = [bought(activity_id="one"), bought(activity_id="two")]
    result = account(lines, factor("0.2"), *rows)
    claimed = [line.quantity for line in result.lines if line.basis == "certificate"]
    assert claimed == [1000, 500]
    assert result.scope2_market_kgco2e == 200


def test_an_instrument_in_another_unit_is_taken_by_its_kilowatt_hours() -> None:
    rows = [held(Basis.CONTRACT, "0", instrument_kwh="400"), held(Basis.RESIDUAL, "0.4")]
    result = account(bought("1", unit="MWh"), factor("0.2"), *rows)
    assert [line.quantity for line in result.lines if line.is_market] == [Decimal("0.4"), Decimal("0.6")]
    assert result.scope2_market_kgco2e == 240
    with pytest.raises(BadInput, match="counts kWh, activity 'electricity' tonnes"):
        account(bought(unit="tonnes"), factor(unit="tonnes"), held(Basis.CONTRACT, "0", unit="t", instrument_kwh="4"))


def test_a_line_uses_the_instrument_that_it_names_and_a_silent_one_none() -> None:
    rows = list(everything().values())
    named = bought(activity_id="named", instrument="contract")
    silent = bought(activity_id="silent", supplier="other")
    result = account([named, silent], factor("0.2"), *rows, states_instruments=True)
    used = {line.line_id: line.basis for line in result.lines if line.is_market}
    assert used == {"named": "contract", "silent": "supplier"}
    assert [finding.code for finding in result.findings if finding.severity != "info"] == ["criteria_not_stated"]
    assert [finding.code for finding in result.findings if finding.severity == "info"] == ["instrument_not_named"]
    by_id = account(bought(instrument="certificate"), factor("0.2"), *rows, states_instruments=True)
    assert by_basis(by_id) == {"certificate": 0}
    with pytest.raises(BadInput, match=r"activity\.csv, line 2: instrument 'solar' fits no factor"):
        account(bought(instrument="solar"), factor("0.2"), *rows, states_instruments=True)


def test_a_supplier_rate_is_for_its_customers() -> None:
    rows = [held(Basis.SUPPLIER, "0.1", supplier="Green Co"), held(Basis.RESIDUAL, "0.4")]
    assert by_basis(account(bought(supplier="green co"), factor("0.2"), *rows)) == {"supplier": 100}
    assert by_basis(account(bought(supplier="Coal Co"), factor("0.2"), *rows)) == {"residual": 400}
    assert by_basis(account(bought(), factor("0.2"), *rows)) == {"residual": 400}


def test_two_residual_mixes_are_refused() -> None:
    rows = [held(Basis.RESIDUAL, "0.4", region="GB"), held(Basis.RESIDUAL, "0.5", region="FR", line=7)]
    with pytest.raises(BadInput, match="two residual factors"):
        account(bought(), factor("0.2"), *rows)


def test_two_certificates_without_a_limit_are_refused() -> None:
    rows = [held(Basis.CERTIFICATE, "0", factor_id=name, line=number) for number, name in enumerate("ab", start=5)]
    with pytest.raises(BadInput, match=r"two certificate factors .* line 5 and factors\.csv line 6"):
        account(bought(), factor("0.2"), *rows)


def test_a_residual_mix_for_half_the_year_covers_half_of_it() -> None:
    half = held(Basis.RESIDUAL, "0.4", valid_from=date(2024, 7, 1), valid_to=date(2025, 1, 1))
    result = account(bought("366"), factor("0.2"), half)
    assert by_basis(result) == {"grid_average": Decimal("36.4"), "residual": Decimal("73.6")}
    assert result.scope2_location_kgco2e == Decimal("73.2")


def test_a_basis_of_the_market_outside_scope_2_is_refused() -> None:
    with pytest.raises(BadInput, match="has the basis residual, which only Scope 2 knows"):
        account(bought(), factor("0.2"), held(Basis.RESIDUAL, "0.4", scope=1))


def test_nothing_bought_is_zero_by_both_methods() -> None:
    result = account(bought("0"), factor("0.2"), *everything().values())
    assert (result.scope2_location_kgco2e, result.scope2_market_kgco2e) == (0, 0)


amounts = st.decimals(0, 10**6, places=6)


@settings(max_examples=80, deadline=None)
@given(amounts, st.lists(amounts, max_size=4), st.booleans())
def test_market_lines_cover_exactly_what_was_bought_and_claim_no_more_than_there_is(
    quantity: Decimal, volumes: list[Decimal], has_residual: bool
) -> None:
    rows = [
        held(Basis.CERTIFICATE, "0.01", factor_id=f"c{number}", instrument_kwh=str(volume))
        for number, volume in enumerate(volumes)
    ]
    rows += [held(Basis.RESIDUAL, "0.4")] if has_residual else []
    result = account(bought(str(quantity)), factor("0.2"), *rows)
    market = [line for line in result.lines if line.is_market]
    assert sum(line.quantity for line in market) == quantity
    assert sum(line.quantity for line in result.lines if line.is_location) == quantity
    for number, volume in enumerate(volumes):
        assert sum(line.quantity for line in market if line.factor_id == f"c{number}") <= volume
    claimed = min(quantity, sum(volumes, Decimal(0)))
    rest = Decimal("0.4") if has_residual else Decimal("0.2")
    assert result.scope2_market_kgco2e == claimed * Decimal("0.01") + (quantity - claimed) * rest


FINANCIAL_YEAR = (date(2023, 4, 1), date(2024, 4, 1))


def london(certificate_kwh: str = "30000", heat: str = "36600") -> Any:
    """73,200 kWh and district heat over a financial year; UK factors of two years, certificates, no residual mix."""
    years = [(date(year, 1, 1), date(year + 1, 1, 1)) for year in (2023, 2024)]
    rows = [
        factor(value, factor_id=f"{name} {start.year}", activity=name, valid_from=start, valid_to=end)
        for name, values in (("electricity", ("0.20707429", "0.20705")), ("district heat", ("0.17964657", "0.17965")))
        for value, (start, end) in zip(values, years, strict=True)
    ]
    rego = held(
        Basis.CERTIFICATE, "0", instrument_kwh=certificate_kwh, valid_from=FINANCIAL_YEAR[0], valid_to=FINANCIAL_YEAR[1]
    )
    lines = [
        bought("73200", activity_id="power", start=FINANCIAL_YEAR[0], end=FINANCIAL_YEAR[1]),
        bought(heat, activity_id="heat", activity="district heat", start=FINANCIAL_YEAR[0], end=FINANCIAL_YEAR[1]),
    ]
    return account(lines, *rows, rego)


def test_hand_worked_case_london_office() -> None:
    """Location: 55,000 x 0.20707429 + 18,200 x 0.20705 + 27,500 x 0.17964657 + 9,100 x 0.17965; market: 30,000 less."""
    result = london()
    location = Decimal("11389.08595") + Decimal("3768.31") + Decimal("4940.280675") + Decimal("1634.815")
    assert result.scope2_location_kgco2e == location == Decimal("21732.491625")
    assert result.scope2_market_kgco2e == location - Decimal("6212.2287") == Decimal("15520.262925")


@pytest.mark.parametrize("change", [{"certificate_kwh": "29900"}, {"heat": "36500"}])
def test_the_london_case_notices(change: dict[str, str]) -> None:
    assert london(**change).scope2_market_kgco2e != Decimal("15520.262925")


def test_hand_worked_case_california_plant(shared_data: Path, tmp_path: Path) -> None:
    """eGRID 2020 CAMX with AR5 is 0.2338069087 kg/kWh; 20,000 of 50,000 kWh come by contract at zero."""
    table = shared_data / "emission_factors" / "egrid2020_subregion_total_output.csv"
    answer("factors", "import", table, "--kind", "egrid", "--out", tmp_path / "egrid.csv")
    ppa = written(
        tmp_path / "ppa.csv",
        "scope,activity,unit,kg_co2e_per_unit,year,region,basis,factor_id,instrument_kwh",
        "2,electricity,kWh,0,2020,CAMX,contract,wind PPA,20000",
    )
    activity = written(
        tmp_path / "activity.csv",
        "id,activity,quantity,unit,year,region,instrument",
        "plant,electricity,50000,kWh,2020,CAMX,wind PPA",
    )
    found = answer(
        "carbon", "--activity", activity, "--factors", tmp_path / "egrid.csv", "--factors", ppa, "--gwp", "AR5"
    )
    assert found["scope2_location_kgco2e"] == pytest.approx(11690.3454, rel=1e-8)
    assert found["scope2_market_kgco2e"] == pytest.approx(7014.2073, rel=1e-8)
    assert {line["basis"] for line in found["lines"]} == {"location", "contract", "grid_average"}
    assert {finding["code"] for finding in found["findings"]} == {
        "criteria_not_stated", "no_residual_mix", "instrument_short",
    }  # fmt: skip
