"""`meterloom carbon chp`: emissions of a combined heat and power plant divided between heat and power."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from assets.carbon.chp import HEAT_EFFICIENCY, POWER_EFFICIENCY, ChpMethod, chp_shares
from data_quality.contracts.errors import BadInput
from orchestration.cli.carbon_say import shown
from orchestration.cli.frame import Answer, Call


def chp(
    call: Call,
    fuel_kgco2e: Annotated[str, typer.Option("--fuel-kgco2e", help="Emissions of the fuel that the plant burnt.")],
    heat_kwh: Annotated[str, typer.Option("--heat-kwh", help="Heat that it delivered.")],
    power_kwh: Annotated[str, typer.Option("--power-kwh", help="Electricity that it delivered.")],
    method: Annotated[ChpMethod, typer.Option("--method", help="How to divide.")] = ChpMethod.EFFICIENCY,
    heat_efficiency: Annotated[str, typer.Option("--heat-efficiency", help="Of making the heat apart.")] = str(
        HEAT_EFFICIENCY
    ),
    power_efficiency: Annotated[str, typer.Option("--power-efficiency", help="Of making the power apart.")] = str(
        POWER_EFFICIENCY
    ),
) -> Answer:
    """Divide a plant's emissions between heat and power: factors for those who buy either."""
    found = chp_shares(
        _number(fuel_kgco2e, "--fuel-kgco2e"),
        _number(heat_kwh, "--heat-kwh"),
        _number(power_kwh, "--power-kwh"),
        method=method,
        heat_efficiency=_number(heat_efficiency, "--heat-efficiency"),
        power_efficiency=_number(power_efficiency, "--power-efficiency"),
    )
    return Answer(
        data=found.model_dump(),
        columns=["of", "kgCO2e", "kgCO2e/kWh"],
        rows=[
            ["heat", shown(found.heat_kgco2e, 3), shown(found.heat_kgco2e_per_kwh, 6)],
            ["power", shown(found.power_kgco2e, 3), shown(found.power_kgco2e_per_kwh, 6)],
        ],
    )


def _number(text: str, option: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise BadInput(f"{option}: expected a number, got {text!r}", reason="bad_number")
    return number
