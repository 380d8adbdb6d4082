"""Emissions of a combined heat and power plant divided between its heat and its power, for those who buy either.

Whoever burns the fuel accounts for all of it in Scope 1, and for none of what the plant makes. Source: GHG Protocol,
Allocation of GHG emissions from a combined heat and power (CHP) plant, 2006; power twice heat: UK energy statistics.
"""

from decimal import Decimal, localcontext
from enum import StrEnum

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.units import EXACT

# Of a boiler and of a power plant that would make the same apart; the guidance's values where no own are known.
HEAT_EFFICIENCY = Decimal("0.8")
POWER_EFFICIENCY = Decimal("0.35")


class ChpMethod(StrEnum):
    """efficiency: by the fuel that each would need alone; energy: by kWh; double: a kWh of power counts as two."""

    EFFICIENCY = "efficiency"
    ENERGY = "energy"
    DOUBLE = "double"


class ChpShares(Model):
    """Emission shares of heat and power; they sum to the plant. A factor is None where nothing was made."""

    method: ChpMethod
    heat_kgco2e: Decimal
    power_kgco2e: Decimal
    heat_kgco2e_per_kwh: Decimal | None
    power_kgco2e_per_kwh: Decimal | None


def chp_shares(
    fuel_kgco2e: Decimal,
    heat_kwh: Decimal,
    power_kwh: Decimal,
    *,
    method: ChpMethod = ChpMethod.EFFICIENCY,
    heat_efficiency: Decimal = HEAT_EFFICIENCY,
    power_efficiency: Decimal = POWER_EFFICIENCY,
) -> ChpShares:
    """Divide kgCO2e of the fuel. Raises BadInput for negative amounts, a plant that made nothing, bad efficiencies.

    Golden: 1000 kg, 400 kWh heat, 350 kWh power by efficiency: 500 and 1000 kWh of fuel apart, so a third is heat's.
    """
    if min(fuel_kgco2e, heat_kwh, power_kwh) < 0 or not heat_kwh + power_kwh:
        raise BadInput(
            f"expected emissions, heat and power of zero or more, and some heat or power; got {fuel_kgco2e} kgCO2e, "
            f"{heat_kwh} kWh and {power_kwh} kWh",
            reason="bad_chp",
        )
    if not (0 < heat_efficiency <= 1 and 0 < power_efficiency <= 1):
        raise BadInput(
            f"efficiencies lie above 0 and up to 1; got {heat_efficiency} and {power_efficiency}", reason="bad_chp"
        )
    with localcontext(EXACT):
        weights = {
            # Heat and power over their efficiencies, multiplied out: no quotient is rounded.
            ChpMethod.EFFICIENCY: (heat_kwh * power_efficiency, power_kwh * heat_efficiency),
            ChpMethod.ENERGY: (heat_kwh, power_kwh),
            ChpMethod.DOUBLE: (heat_kwh, 2 * power_kwh),
        }[method]
        heat = fuel_kgco2e * weights[0] / sum(weights)
        # The rest, not a second product: both sum to the fuel's emissions to the last digit.
        power = fuel_kgco2e - heat
        return ChpShares(
            method=method,
            heat_kgco2e=heat,
            power_kgco2e=power,
            heat_kgco2e_per_kwh=heat / heat_kwh if heat_kwh else None,
            power_kgco2e_per_kwh=power / power_kwh if power_kwh else None,
        )
