"""Heat and power share their plant's emissions, and nothing is lost or counted twice."""

from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assets.carbon.inventory.chp import ChpMethod, chp_shares
from data_quality.contracts.errors import BadInput
from tests.carbon.cases import answer, run

amounts = st.decimals(0, 10**9, places=6)


@pytest.mark.parametrize(
    ("method", "heat", "power"),
    [
        # 400 kWh / 0.8 = 500 and 350 / 0.35 = 1000 kWh of fuel apart.
        (ChpMethod.EFFICIENCY, 1000, 2000),
        (ChpMethod.ENERGY, 1600, 1400),
        # 400 and 2 * 350.
        (ChpMethod.DOUBLE, Decimal(3000) * 400 / 1100, Decimal(3000) * 700 / 1100),
    ],
)
def test_each_method_by_hand(method: ChpMethod, heat: Decimal, power: Decimal) -> None:
    found = chp_shares(Decimal(3000), Decimal(400), Decimal(350), method=method)
    assert abs(found.heat_kgco2e - heat) < Decimal("1e-20")
    assert abs(found.power_kgco2e - power) < Decimal("1e-20")


@settings(deadline=None)
@given(amounts, amounts, amounts, st.sampled_from(ChpMethod))
def test_the_shares_sum_to_the_plant(fuel: Decimal, heat: Decimal, power: Decimal, method: ChpMethod) -> None:
    assume(heat + power)
    found = chp_shares(fuel, heat, power, method=method)
    assert found.heat_kgco2e + found.power_kgco2e == fuel
    assert found.heat_kgco2e >= 0
    assert found.power_kgco2e >= 0
    assert (found.heat_kgco2e_per_kwh is None) == (not heat)


@pytest.mark.parametrize("amounts_given", [("-1", "1", "1"), ("1", "0", "0"), ("1", "-1", "2")])
def test_a_plant_that_makes_nothing_or_less_is_refused(amounts_given: tuple[str, str, str]) -> None:
    with pytest.raises(BadInput, match="some heat or power"):
        chp_shares(*map(Decimal, amounts_given))
    with pytest.raises(BadInput, match="efficiencies lie above 0"):
        chp_shares(Decimal(1), Decimal(1), Decimal(1), heat_efficiency=Decimal(0))


def test_the_command_gives_factors_for_a_set_and_refuses_words() -> None:
    words = ("carbon", "chp", "--fuel-kgco2e", "3000", "--heat-kwh", "400", "--power-kwh")
    found = answer(*words, "350")
    assert (found["heat_kgco2e"], found["heat_kgco2e_per_kwh"], found["method"]) == (1000.0, 2.5, "efficiency")
    assert "1,000.000" in run(*words, "350").stdout
    assert "--power-kwh: expected a number, got 'much'" in run(*words, "much", code=2).stderr
