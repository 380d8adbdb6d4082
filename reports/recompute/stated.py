"""Numbers that a site file or organisation.yaml states, recomputed: lifetimes, the discount rate, targets."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

from data_quality.contracts.errors import OurFault
from data_quality.contracts.reporting.figure import Trace
from data_quality.contracts.site_file.budgets import EmissionTarget
from data_quality.contracts.site_file.measure_cost import DiscountRate, MeasureCost
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import EXACT
from reports.recompute.figure_sources import Sources


def stated_number(trace: Trace, sources: Sources) -> Decimal | None:
    """The stated number again.

    parameters: field; site, and cost of what is stated of a measure; of targets year and target, and instead of the
    site organisation with `targets` as its file had them.
    """
    named = trace.parameters
    if "organisation" in named:
        return target_number([EmissionTarget.model_validate(each) for each in json.loads(named["targets"])], named)
    if "year" in named:
        return target_number(sources.site(named["site"]).targets, named)
    return stated(sources.site(named["site"]), named["field"], named.get("cost", ""))


def stated(site: Site, field: str, cost_id: str = "") -> Decimal | None:
    """`percent` of the site's rate, or `lifetime_years` of a cost; None where it is not stated.

    Raises OurFault for another field.
    """
    if field not in ("percent", "lifetime_years"):
        raise OurFault(f"{field!r} is not a number that a site file states of a measure")
    about: DiscountRate | MeasureCost | None = site.discount_rate
    if field == "lifetime_years":
        about = next((each for each in site.measure_costs if each.cost_id == cost_id), None)
    value = None if about is None else getattr(about, field)
    return None if value is None else Decimal(repr(value))


def target_number(targets: Sequence[EmissionTarget], named: Mapping[str, str]) -> Decimal | None:
    """Of targets that hold in a year their number (`targets`), or of one base_kgco2e or target_kgco2e, exact.

    named: field, year, target. None for a target that is not among them. Raises OurFault for another field.
    """
    field, held = named["field"], [each for each in targets if each.holds_in(int(named["year"]))]
    if field == "targets":
        return Decimal(len(held))
    if field not in ("base_kgco2e", "target_kgco2e"):
        raise OurFault(f"{field!r} is not a number that is stated of a target")
    found = next((each for each in held if each.target == named["target"]), None)
    if found is None:
        return None
    base, less = Decimal(repr(found.base_kgco2e)), Decimal(repr(found.reduction_percent))
    return base if field == "base_kgco2e" else EXACT.multiply(base, EXACT.subtract(Decimal(1), less.scaleb(-2)))


def targets_text(targets: Sequence[EmissionTarget]) -> str:
    """Targets as the trace of an organisation's number holds them."""
    return json.dumps([each.model_dump(mode="json") for each in targets], ensure_ascii=False, sort_keys=True)
