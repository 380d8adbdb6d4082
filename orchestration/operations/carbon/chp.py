"""`meterloom carbon chp`: emissions of a combined heat and power plant divided between heat and power."""

from typing import Annotated

from assets.carbon.inventory.chp import HEAT_EFFICIENCY, POWER_EFFICIENCY, ChpMethod, chp_shares
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import STATELESS, Call, Option, operation
from orchestration.operations.options import number


@operation("carbon chp", takes=STATELESS, example="--fuel-kgco2e 100000 --heat-kwh 250000 --power-kwh 150000 --json")
def chp(
    call: Call,
    fuel_kgco2e: Annotated[str, Option("Emissions of the fuel that the plant burnt.")],
    heat_kwh: Annotated[str, Option("Heat that it delivered.")],
    power_kwh: Annotated[str, Option("Electricity that it delivered.")],
    method: Annotated[ChpMethod, Option("How to divide.")] = ChpMethod.EFFICIENCY,
    heat_efficiency: Annotated[str, Option("Of making the heat apart.")] = str(HEAT_EFFICIENCY),
    power_efficiency: Annotated[str, Option("Of making the power apart.")] = str(POWER_EFFICIENCY),
) -> Answer:
    """Divide a plant's emissions between heat and power: factors for those who buy either."""
    found = chp_shares(
        number(fuel_kgco2e, "--fuel-kgco2e"),
        number(heat_kwh, "--heat-kwh"),
        number(power_kwh, "--power-kwh"),
        method=method,
        heat_efficiency=number(heat_efficiency, "--heat-efficiency"),
        power_efficiency=number(power_efficiency, "--power-efficiency"),
    )
    rows = [
        ("heat", found.heat_kgco2e, found.heat_kgco2e_per_kwh),
        ("power", found.power_kgco2e, found.power_kgco2e_per_kwh),
    ]
    return Answer(found, Table(rows, "of: {0} | kgCO2e: {1:,.3f} | kgCO2e/kWh: {2:,.6f}"))
