"""The latest factor stands in where it is asked to, marked; otherwise a day without factor is refused."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from assets.carbon.inventory.account import extended
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Basis
from tests.carbon.cases import account, answer, bought, by_basis, factor, held, run, written

OLD = {"valid_from": date(2023, 1, 1), "valid_to": date(2024, 1, 1)}
HALF = date(2024, 7, 1)


def test_a_year_without_factor_goes_by_the_last_one_only_where_asked_and_says_so() -> None:
    rows = (factor("0.3", factor_id="2022", valid_from=date(2022, 1, 1), valid_to=date(2023, 1, 1)),)
    rows += (factor("0.2", factor_id="2023", **OLD),)
    with pytest.raises(BadInput, match="no factor for activity 'electricity' from 2024-01-01"):
        account(bought(), *rows)
    result = account(bought(), *rows, latest=True)
    assert result.scope2_location_kgco2e == 200
    (finding,) = [each for each in result.findings if each.code == "latest_factor"]
    assert finding.facts == {"factor_id": "2023", "days": 366}
    assert "2023 was published for days until 2023-12-31" in finding.message


def test_a_factor_that_ends_within_the_activity_is_marked_and_one_that_covers_it_is_not() -> None:
    short = factor("0.2", valid_to=HALF)
    result = account(bought(), short, latest=True)
    assert result.scope2_location_kgco2e == 200
    assert [each.facts["days"] for each in result.findings if each.code == "latest_factor"] == [184]
    assert not [each for each in account(bought(), factor(), latest=True).findings if each.code == "latest_factor"]


def test_a_hole_between_two_factors_stays_a_hole_and_a_certificate_ends_when_it_ends() -> None:
    later = factor("0.3", factor_id="later", valid_from=date(2025, 1, 1), valid_to=date(2026, 1, 1))
    with pytest.raises(BadInput, match="no factor for activity"):
        account(bought(), factor("0.2", **OLD), later, latest=True)
    rego = held(Basis.CERTIFICATE, "0", valid_to=HALF)
    result = account(bought(quantity="366"), factor("0.2"), rego, held(Basis.RESIDUAL, "1"), latest=True)
    assert by_basis(result) == {"certificate": 0, "residual": Decimal(184)}


def test_gases_are_held_on_together() -> None:
    gases = [factor(None, gas=gas, kg_per_unit="1", factor_id=gas, **OLD) for gas in ("CO2", "CH4")]
    found = extended(gases, date(2026, 1, 1))
    assert {row.valid_to for row in found.factors} == {date(2026, 1, 1)}
    assert found.published_to == {"CO2": date(2024, 1, 1), "CH4": date(2024, 1, 1)}


def test_the_command_takes_the_latest_factor_by_option(tmp_path: Path) -> None:
    activity = written(tmp_path / "a.csv", "id,activity,quantity,unit,year", "x,electricity,1000,kWh,2026")
    factors = written(tmp_path / "f.csv", "scope,activity,unit,kg_co2e_per_unit,year", "2,electricity,kWh,0.2,2024")
    words = ("carbon", "--activity", activity, "--factors", factors)
    assert "a.csv, line 2: no factor" in run(*words, code=2).stderr
    found = answer(*words, "--latest")
    assert found["scope2_location_kgco2e"] == 200
    assert "latest_factor" in {finding["code"] for finding in found["findings"]}
