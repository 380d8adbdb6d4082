"""One line of a carbon account: a part of an activity times its factor, with its gases."""

from decimal import Decimal

from assets.carbon.factor_choice.match import Part
from assets.carbon.factor_choice.match_units import converted, ratio
from data_quality.contracts.emissions.carbon import Activity, CarbonLine, GasAmount
from data_quality.contracts.errors import OurFault
from data_quality.contracts.units import EXACT


def units_of(activity: Activity, part: Part) -> Decimal:
    """The part's quantity in the unit of its factor."""
    unit = part.bundle.head.unit
    by = ratio(activity.unit, unit)
    # The factor was chosen by its unit: if the two do not compare here, our own matching is broken.
    if by is None:
        raise OurFault(f"{activity.where}: a factor per {unit} was matched to {activity.unit}")
    return converted(part.quantity, by)


def line_of(activity: Activity, part: Part, *, basis: str, is_location: bool, is_market: bool) -> CarbonLine:
    """The line of one part within its scope."""
    bundle, head = part.bundle, part.bundle.head
    units = units_of(activity, part)
    return CarbonLine(
        line_id=activity.activity_id,
        scope=head.scope,
        basis=basis,
        activity=activity.activity,
        quantity=part.quantity,
        unit=activity.unit,
        factor_id=bundle.factor_id,
        kgco2e=EXACT.multiply(units, bundle.kgco2e_per_unit),
        start=part.start,
        end=part.end,
        is_location=is_location,
        is_market=is_market,
        gwp_set=bundle.gwp_set or "",
        gases=tuple(
            GasAmount(
                gas=gas.gas,
                kg=None if gas.kg_per_unit is None else EXACT.multiply(units, gas.kg_per_unit),
                kgco2e=EXACT.multiply(units, gas.kgco2e_per_unit),
            )
            for gas in bundle.gases
        ),
        source=head.source,
    )
