"""Every family of rows writes exactly the rows that stand in tests/golden/lp."""

from pathlib import Path

import pulp
import pytest

from controls.optimiser.build import BATTERY_FAMILIES, SITE_FAMILIES
from controls.optimiser.devices import battery as battery_module
from controls.optimiser.devices import site as site_module
from controls.optimiser.devices.battery import battery_variables
from controls.optimiser.devices.site import site_variables
from tests.controls.optimiser.toys import TOY, changed

GOLDEN = Path(__file__).parents[2] / "golden" / "lp"
BATTERY_BUILDERS = {name: fn for name, fn in vars(battery_module).items() if name.startswith("add_")}
SITE_BUILDERS = {name: fn for name, fn in vars(site_module).items() if name.startswith("add_")}
# Two unequal steps; the prices of the second would pay for importing and exporting at once.
CASE = changed(
    TOY,
    step_h=(1.0, 0.25),
    pv_kw=(0.5, 3.0),
    import_price_per_kwh=(0.10, -0.05),
    demand_price_per_kw=2.0,
    pv_limit_min_kw=1.0,
    soc_min_kwh=0.2,
    soc_init_kwh=0.7,
    soc_end_min_kwh=0.5,
)


def toy_problem() -> pulp.LpProblem:
    """An empty problem with an objective of nothing."""
    lp = pulp.LpProblem("toy", pulp.LpMinimize)
    lp.setObjective(0 * lp.add_variable("nothing", lowBound=0))
    return lp


def written(lp: pulp.LpProblem, folder: Path) -> str:
    """The problem in the LP format."""
    lp.writeLP(str(folder / "got.lp"))
    return (folder / "got.lp").read_text()


@pytest.mark.parametrize("name", sorted(BATTERY_BUILDERS))
def test_a_battery_builder_writes_its_golden_lp(name: str, tmp_path: Path) -> None:
    lp = toy_problem()
    BATTERY_BUILDERS[name](lp, battery_variables(lp, 2), CASE.battery, CASE.step_h)
    assert written(lp, tmp_path) == (GOLDEN / f"{name}.lp").read_text()


@pytest.mark.parametrize("name", sorted(SITE_BUILDERS))
def test_a_site_builder_writes_its_golden_lp(name: str, tmp_path: Path) -> None:
    lp = toy_problem()
    SITE_BUILDERS[name](lp, site_variables(lp, CASE), CASE)
    assert written(lp, tmp_path) == (GOLDEN / f"{name}.lp").read_text()


def test_no_golden_is_orphaned() -> None:
    assert {path.stem for path in GOLDEN.glob("*.lp")} == {*BATTERY_BUILDERS, *SITE_BUILDERS}


def test_every_builder_is_part_of_the_problem() -> None:
    assert set(BATTERY_FAMILIES.values()) == set(BATTERY_BUILDERS.values())
    assert set(SITE_FAMILIES.values()) == set(SITE_BUILDERS.values())


def test_a_changed_row_would_be_noticed(tmp_path: Path) -> None:
    lp = toy_problem()
    params = CASE.battery.model_copy(update={"charge_efficiency": 1.0})
    battery_module.add_soc_balance(lp, battery_variables(lp, 2), params, CASE.step_h)
    assert written(lp, tmp_path) != (GOLDEN / "add_soc_balance.lp").read_text()
