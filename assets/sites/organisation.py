"""Organisation file: loading it, and the share of each site that is the organisation's, by local days. Pure but for the
loading.

Source: GHG Protocol Corporate Standard, chapter 3 (formulas 5.12).
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, localcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

from assets.sites.load_sites import read_once, scalars
from data_quality.contracts.errors import BadInput
from data_quality.contracts.organisation import Organisation, OwnedSite
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.time import Period
from data_quality.contracts.units import EXACT
from data_quality.contracts.work.project_cache import ProjectCache
from data_quality.contracts.yaml_file import BadConfiguration, Problem, load_model, load_yaml, place_of

ZERO = Decimal(0)
_NAMED = re.compile(r"\w+: '([^']+)'")


class InternalDelivery(NamedTuple):
    """Energy by a meter of the buyer's that another site delivers. share: of the seller that is the organisation's."""

    meter: str
    carrier: Carrier
    share: Decimal


class Part(NamedTuple):
    """A site over local days of one share. text: the share as products of stakes, such as 0.6*0.5+0.4.

    left_out: deliveries from other sites of the organisation. since: the day that the site came to the organisation,
    where that is within the period.
    """

    site_id: str
    entity: str
    period: Period
    share: Decimal
    text: str
    left_out: tuple[InternalDelivery, ...] = ()
    since: date | None = None


def load_organisation(
    path: Path, organisation: str = "", *, sites: Collection[str] = (), cache: ProjectCache | None = None
) -> Organisation:
    """The organisation of the file. sites: of the project; cache: as in `load_site`. Raises BadInput where there is
    none or another than the requested one, BadConfiguration for a file that is not in order or an organisation
    that is called as a site is.
    """
    if not path.exists():
        raise BadInput(
            "this project has no organisation",
            file=str(path),
            reason="no_organisation",
            mend="write organisation.yaml (docs/ems/carbon_accounting.md)",
        )
    read = partial(load_model, model=Organisation)
    try:
        found = read(path) if cache is None else read_once(path, cache, read)
    except BadConfiguration as fault:
        raise BadConfiguration([_placed(each, path) for each in fault.problems]) from fault
    if found.organisation in sites:
        # A report is known by its name, what it is about, and its period.
        line, column = place_of(load_yaml(path), ("organisation",))
        message = f"organisation {found.organisation!r} is called as a site is: their reports would have one name"
        raise BadConfiguration([Problem(file=str(path), line=line, column=column, message=message)])
    return named(found, organisation, path)


def named(found: Organisation, organisation: str, path: Path) -> Organisation:
    """The organisation, where it is the requested one; else raises BadInput. path: of its file, for the message."""
    if organisation and found.organisation != organisation:
        raise BadInput(
            f"unknown organisation {organisation!r}; this project has {found.organisation!r}",
            file=str(path),
            reason="unknown_organisation",
        )
    return found


def known_organisation(path: Path, cache: ProjectCache | None = None) -> Organisation | None:
    """The organisation of the file; None where it is gone or not in order, which others say."""
    try:
        return load_organisation(path, cache=cache)
    except BadInput:
        return None


def share_text(organisation: Organisation, owned: OwnedSite, day: date) -> str:
    """The organisation's share of a site on a day, as products of stakes. Raises BadInput where no approach holds."""
    approach = organisation.approach_on(day)
    if approach != "equity_share":
        return "1" if (owned.is_operated if approach == "operational_control" else owned.is_controlled) else "0"
    own = _fraction(owned.share_percent)
    chains = [[own, *chain] for chain in _chains(organisation, owned.entity, day)]
    return "+".join("*".join([each for each in chain if each != "1"] or ["1"]) for chain in chains) or "0"


def share_of(text: str, rate: str = "1") -> Decimal:
    """The number of a share's text, exact; times a rate of exchange, or a share of days such as 184/365."""
    with localcontext(EXACT):
        total = ZERO
        for chain in text.split("+"):
            product = Decimal(1)
            for each in chain.split("*"):
                product *= Decimal(each)
            total += product
        over, _, under = rate.partition("/")
        return total * Decimal(over) / Decimal(under or 1)


def parts_of(organisation: Organisation, period: Period) -> tuple[Part, ...]:
    """Every site over each span of the period in which its share is one; days before it was acquired and after it was
    sold are in no part. In the file's order, then by time.
    """
    found: list[Part] = []
    for owned in organisation.sites:
        start = max(period.start, owned.valid_from or date.min)
        end = min(period.end, owned.valid_to or date.max)
        days = sorted({start, *(day for day in _changes(organisation) if start < day < end)}) if start < end else []
        for first, after in zip(days, [*days[1:], end], strict=False):
            text = share_text(organisation, owned, first)
            made = Part(
                owned.site, owned.entity, _span(first, after, period), share_of(text), text,
                _deliveries(organisation, owned.site, first), owned.valid_from if start == owned.valid_from else None,
            )  # fmt: skip
            last = found[-1] if found else None
            if last is not None and first not in _rate_days(organisation) and _goes_on(last, made):
                found[-1] = last._replace(period=_span(last.period.start, after, period))
            else:
                found.append(made)
    return tuple(found)


def like_for_like(organisation: Organisation, periods: Sequence[Period]) -> tuple[str, ...]:
    """Sites that are wholly in each of the periods, with one and the same share above zero."""
    found = list[str]()
    for site_id in dict.fromkeys(each.site for each in organisation.sites):
        spans = [[part for part in parts_of(organisation, each) if part.site_id == site_id] for each in periods]
        is_whole = all(
            len(parts) == 1 and parts[0].period.days == period.days
            for parts, period in zip(spans, periods, strict=True)
        )
        if is_whole and len({parts[0].share for parts in spans}) == 1 and spans[0][0].share > 0:
            found.append(site_id)
    return tuple(found)


def deliveries_text(left_out: Sequence[InternalDelivery]) -> str:
    """Deliveries as a trace holds them: `meter carrier share`, joined by commas."""
    return ",".join(f"{each.meter} {each.carrier} {each.share:f}" for each in left_out)


def deliveries_of(text: str) -> tuple[InternalDelivery, ...]:
    """The deliveries of such a text."""
    parts = [each.split(" ") for each in text.split(",") if each]
    return tuple(InternalDelivery(meter, Carrier(carrier), Decimal(share)) for meter, carrier, share in parts)


def _goes_on(last: Part, made: Part) -> bool:
    is_next = (last.site_id, last.period.end) == (made.site_id, made.period.start)
    return is_next and (last.entity, last.text, last.left_out) == (made.entity, made.text, made.left_out)


def _deliveries(organisation: Organisation, buyer: str, day: date) -> tuple[InternalDelivery, ...]:
    return tuple(
        InternalDelivery(each.meter, each.carrier, share_of(share_text(organisation, owned, day)))
        for each in organisation.deliveries
        if each.buyer == buyer and each.holds_on(day)
        for owned in organisation.sites
        if owned.site == each.seller and owned.holds_on(day)
    )


def _chains(organisation: Organisation, entity: str, day: date) -> Iterator[list[str]]:
    """The stakes on each way from an entity up to the organisation. Ends: a file with a ring is refused."""
    if entity == organisation.organisation:
        yield []
        return
    owners = next(each for each in organisation.entities if each.entity == entity).owners
    if not owners:
        yield []
    for stake in owners:
        if stake.holds_on(day):
            for chain in _chains(organisation, stake.owner, day):
                yield [_fraction(stake.share_percent), *chain]


def _rate_days(organisation: Organisation) -> set[date]:
    return {day for each in organisation.rates for day in (each.valid_from, each.valid_to) if day is not None}


def _changes(organisation: Organisation) -> set[date]:
    """Days on which a share, a rate or a delivery may change: a seller that was sold delivers from outside."""
    dated = [
        *organisation.approaches,
        *organisation.sites,
        *(stake for entity in organisation.entities for stake in entity.owners),
        *organisation.deliveries,
    ]
    own = {day for each in dated for day in (each.valid_from, each.valid_to) if day is not None}
    return own | _rate_days(organisation)


def _fraction(percent: Decimal) -> str:
    return f"{(percent.scaleb(-2)).normalize():f}"


def _span(start: date, end: date, period: Period) -> Period:
    whole = (start, end) == (period.start, period.end)
    return period if whole else Period(label=f"{start}/{end}", start=start, end=end, time_zone=period.time_zone)


def _placed(problem: Problem, path: Path) -> Problem:
    """A problem within a list names the one that is at fault first: point at where it last stands there."""
    named, document = _NAMED.match(str(problem.message)), load_yaml(path)
    if named is None or not isinstance(document, Mapping):
        return problem
    after = min((line for key in document if (line := place_of(document, (key,))[0]) > problem.line), default=None)
    found = [
        (key, place)
        for key, place in scalars(document, named[1])
        if problem.line <= place[0] and (after is None or place[0] < after)
    ]
    if not found:
        return problem
    line, column = [place for key, place in found if key == found[0][0]][-1]
    return problem.model_copy(update={"line": line, "column": column})
