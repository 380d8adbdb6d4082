"""Sites together: sums and weighted factors; what one site does not know the portfolio does not know."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.carbon.inventory.portfolio import portfolio_footprint
from data_quality.contracts.emissions.footprint import Footprint, FootprintLine
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Carrier
from tests.carbon.cases import YEAR

amounts = st.decimals(0, 10**6, places=9)
rates = st.decimals(0, 2, places=6)


def line(kwh: Decimal, rate: Decimal | None, **changes: object) -> FootprintLine:
    return FootprintLine.model_validate(
        {
            "month": YEAR[0], "carrier": Carrier.ELECTRICITY, "scope": 2, "method": "location", "kwh": kwh,
            "kgco2e": None if rate is None else kwh * rate, "factor_id": "grid", "kgco2e_per_kwh": rate,
            "basis": "location", "origin": "store", "coverage": 1,
        }
        | changes
    )  # fmt: skip


def site(name: str, *lines: FootprintLine, **changes: object) -> Footprint:
    known = [each.kgco2e for each in lines if each.kgco2e is not None]
    total = sum(known, Decimal(0)) if len(known) == len(lines) else None
    return Footprint.model_validate(
        {
            "site_id": name, "period": "2024", "start": YEAR[0], "end": YEAR[1], "as_of_utc": None,
            "scope1_kgco2e": 0, "scope2_location_kgco2e": total, "scope2_market_kgco2e": total, "lines": lines,
            "factor_ids": ("grid",), "coverage": 1, "factor_coverage": 1,
        }
        | changes
    )  # fmt: skip


def test_the_factor_of_two_sites_is_weighted_by_what_they_bought() -> None:
    found = portfolio_footprint(
        [site("a", line(Decimal(900), Decimal("0.2"))), site("b", line(Decimal(100), Decimal("0.7")))]
    )
    (row,) = found.rows
    assert (row.kwh, row.kgco2e, row.weighted_kgco2e_per_kwh) == (1000, 250, Decimal("0.25"))
    assert found.scope2_location_kgco2e == 250
    assert found.factor_coverage == 1


def test_what_one_site_does_not_know_is_no_part_of_a_total() -> None:
    unknown = site("b", line(Decimal(1), None), findings=(Finding(code="no_factor", message="no factor"),))
    found = portfolio_footprint([site("a", line(Decimal(9), Decimal(1))), unknown])
    assert found.scope2_location_kgco2e is None
    assert found.rows[0].weighted_kgco2e_per_kwh is None
    assert [(each.code, each.message, each.scope) for each in found.findings] == [("no_factor", "b: no factor", "b")]


def test_one_certificate_in_two_sites_is_named() -> None:
    rego = {"method": "market", "basis": "certificate", "factor_id": "REGO"}
    found = portfolio_footprint([site(name, line(Decimal(1), Decimal(0), **rego)) for name in "ab"])
    assert [each.message for each in found.findings] == ["REGO is used by a, b: a kWh is claimed once"]
    assert found.findings[0].is_blocking


def test_sites_of_two_periods_and_one_site_twice_are_no_portfolio() -> None:
    one = site("a", line(Decimal(1), Decimal(1)))
    for wrong in ([], [one, one], [one, one.model_copy(update={"site_id": "b", "period": "2023"})]):
        with pytest.raises(OurFault, match="different sites in one period"):
            portfolio_footprint(wrong)


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(amounts, rates), min_size=1, max_size=5), min_size=1, max_size=4))
def test_the_parts_sum_to_the_whole_and_the_weighted_factor_lies_between_theirs(
    sites: list[list[tuple[Decimal, Decimal]]],
) -> None:
    parts = [site(f"s{number}", *(line(*each) for each in lines)) for number, lines in enumerate(sites)]
    found = portfolio_footprint(parts)
    (row,) = found.rows
    assert found.scope2_location_kgco2e == sum(each.scope2_location_kgco2e or 0 for each in parts) == row.kgco2e
    if row.weighted_kgco2e_per_kwh is not None:
        used = [rate for lines in sites for kwh, rate in lines if kwh]
        assert min(used) - Decimal("1e-25") <= row.weighted_kgco2e_per_kwh <= max(used) + Decimal("1e-25")
