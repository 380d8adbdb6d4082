"""Footprint of an organisation: each site at the share that is the organisation's, without deliveries between sites.

Source: GHG Protocol Corporate Standard, chapters 3 and 5 (formulas 5.12).
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import NamedTuple

from assets.carbon.inventory.portfolio import carrier_rows, sum_or_none
from assets.sites.organisation import Part, parts_of
from data_quality.contracts.emissions.footprint import Footprint
from data_quality.contracts.emissions.group_footprint import (
    BaseYearChange,
    BaseYearSite,
    GroupFootprint,
    GroupPart,
)
from data_quality.contracts.finding import Finding
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.time import Period
from data_quality.contracts.units import EXACT

ZERO = Decimal(0)
_TOTALS = ("scope1_kgco2e", "scope2_location_kgco2e", "scope2_market_kgco2e")


class Accounted(NamedTuple):
    """A part with its own footprint, whole, and the kWh of own deliveries that are not in it."""

    part: Part
    footprint: Footprint
    delivered_kwh: Decimal


def group_footprint(organisation: Organisation, period: Period, parts: Sequence[Accounted]) -> GroupFootprint:
    """Scope 1 and 2 of the organisation. parts: those of `parts_of`."""
    with localcontext(EXACT):
        weighed = [
            line.model_copy(update={name: _times(part.share, getattr(line, name)) for name in ("kwh", "kgco2e")})
            for part, footprint, _ in parts
            if part.share > 0
            for line in footprint.lines
        ]
        held = [
            each
            for each in organisation.approaches
            if (each.valid_from or date.min) < period.end and (each.valid_to is None or each.valid_to > period.start)
        ]
        return GroupFootprint(
            organisation=organisation.organisation,
            period=period.label,
            approaches=tuple(each.approach for each in sorted(held, key=lambda each: each.valid_from or date.min)),
            parts=tuple(_part(*each) for each in parts),
            # What a site of no share does not know is nobody's question here.
            **{
                name: sum_or_none([_times(part.share, getattr(own, name)) for part, own, _ in parts if part.share > 0])
                for name in _TOTALS
            },
            rows=tuple(carrier_rows(weighed)),
            findings=tuple(_findings(parts)),
        )


def base_year_change(
    organisation: Organisation,
    base: Period,
    *,
    structure_of: date,
    wholes: Mapping[str, Footprint],
    parts: Sequence[Accounted],
) -> BaseYearChange:
    """The base year as reported (`parts`, by the structure of its days) and by the structure of a later day.

    wholes: site -> its footprint of the whole base year. Raises BadInput where the organisation has no base year.
    """
    stated = organisation.stated_base_year()
    day = Period(label="", start=structure_of, end=structure_of + timedelta(days=1), time_zone=base.time_zone)
    shares = {part.site_id: part.share for part in parts_of(organisation, day)}
    with localcontext(EXACT):
        sites = [
            _base_site(site_id, base, [each for each in parts if each[0].site_id == site_id], shares, wholes)
            for site_id in dict.fromkeys(each.site for each in organisation.sites)
        ]
        reported = sum_or_none([each.reported_kgco2e for each in sites])
        now = sum_or_none([each.recalculated_kgco2e for each in sites])
        percent = (now - reported) * 100 / reported if reported and now is not None else None
    threshold = stated.recalculation_percent
    return BaseYearChange(
        year=stated.year,
        structure_of=structure_of,
        reported_kgco2e=reported,
        recalculated_kgco2e=now,
        percent=percent,
        threshold_percent=threshold,
        is_due=None if percent is None else abs(percent) >= threshold,
        sites=tuple(sites),
    )


def _base_site(
    site_id: str,
    base: Period,
    parts: Sequence[Accounted],
    shares: Mapping[str, Decimal],
    wholes: Mapping[str, Footprint],
) -> BaseYearSite:
    reported = sum_or_none([_times(part.share, _both(found)) for part, found, _ in parts if part.share > 0])
    share = shares.get(site_id, ZERO)
    was_owned = any(part.share > 0 and part.period.start == base.start for part, _, _ in parts)
    # A site that is no longer owned counts as nothing, whatever is known of its base year.
    recalculated = _times(share, _both(wholes[site_id])) if share else ZERO
    if reported == recalculated:
        cause = "unchanged"
    elif not share:
        cause = "sold"
    else:
        cause = "share" if was_owned else "acquired"
    return BaseYearSite(site_id=site_id, reported_kgco2e=reported, recalculated_kgco2e=recalculated, cause=cause)


def _both(footprint: Footprint) -> Decimal | None:
    return sum_or_none([footprint.scope1_kgco2e, footprint.scope2_location_kgco2e])


def _part(part: Part, footprint: Footprint, delivered_kwh: Decimal) -> GroupPart:
    return GroupPart(
        site_id=part.site_id,
        entity=part.entity,
        start=part.period.start,
        end=part.period.end,
        share=part.share,
        share_text=part.text,
        delivered_kwh=delivered_kwh,
        **{name: getattr(footprint, name) for name in _TOTALS},
        coverage=footprint.coverage,
    )


def _times(share: Decimal, value: Decimal | None) -> Decimal | None:
    return None if value is None else share * value


def _findings(parts: Sequence[Accounted]) -> list[Finding]:
    found = [
        each.model_copy(update={"message": f"{part.site_id}: {each.message}", "scope": part.site_id})
        for part, footprint, _ in parts
        if part.share > 0
        for each in footprint.findings
    ]
    for part, _, delivered in parts:
        if delivered:
            found.append(
                Finding(
                    code="own_delivery_left_out",
                    message=f"{part.site_id}: {delivered:,.1f} kWh from sites of the organisation are left out",
                    severity="info",
                    scope=part.site_id,
                    facts={"kwh": float(delivered)},
                )
            )
    return found
