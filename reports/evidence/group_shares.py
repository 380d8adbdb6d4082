"""Are the shares of a group's report those of the organisation's file in its pack? They are worked out of it again."""

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from assets.kpi.benchmark.own_sites import hours_through, owned_through
from assets.sites.organisation import parts_of
from assets.stores.sign import canonical
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.time import Period
from reports.evidence import manifest as names
from reports.evidence.archive import Archive, PackProblem
from reports.evidence.pack_inputs import readable_json
from reports.recompute.peers import hours_text, peers_text
from reports.recompute.stated import targets_text

SHARE, TARGET, PLACE = "group_share", "stated_number", "peer_place"
MAX_BYTES = 8 << 20
YEARS = (365, 366)


def share_problems(archive: Archive, content: dict[str, Any], figures: Iterable[Figure]) -> Iterator[PackProblem]:
    """Differences between file, content and shares. Of a report of one site, and of a group's before the file
    was kept, nothing. Raises ValidationError or BadInput for a file that is no organisation.
    """
    stated = content.get("organisation")
    if stated is None:
        return
    member = archive.members.get(names.ORGANISATION)
    if member is None or archive.bytes_of(member.name, limit=MAX_BYTES) != readable_json(stated):
        yield PackProblem(file=names.ORGANISATION, problem="is not the organisation that the report says")
    organisation = Organisation.model_validate(stated)
    # Of what was stored, not of what today's contract reads in it: a later version adds keys.
    digest = hashlib.sha256(canonical(stated)).hexdigest()
    for figure in figures:
        is_target = figure.trace.computation == TARGET and "organisation" in figure.trace.parameters
        if figure.trace.computation not in (SHARE, PLACE) and not is_target:
            continue
        if [each.sha256 for each in figure.trace.inputs if each.role == "organisation"] != [digest]:
            yield PackProblem(file=names.ORGANISATION, problem=f"is not the file that figure {figure.figure_id} names")
        elif is_target:
            if figure.trace.parameters["targets"] != targets_text(organisation.targets):
                yield PackProblem(
                    file=names.ORGANISATION, problem=f"states other targets than figure {figure.figure_id}"
                )
        elif figure.trace.computation == PLACE:
            period = Period(label="", start=figure.start, end=figure.end, time_zone="UTC")
            named = figure.trace.parameters
            hours = hours_text(hours_through(organisation, period)) if "hours" in named else None
            if (named["peers"], named.get("hours")) != (peers_text(owned_through(organisation, period)), hours):
                yield PackProblem(file=names.ORGANISATION, problem=f"gives other peers than figure {figure.figure_id}")
        elif not _is_by_file(organisation, figure):
            problem = f"gives another share of {figure.scope} from {figure.start} on than figure {figure.figure_id}"
            yield PackProblem(file=names.ORGANISATION, problem=problem)


def _is_by_file(organisation: Organisation, figure: Figure) -> bool:
    """True where the file gives this share of the site over all the figure's days, at a rate that stands in it."""
    period = Period(label="", start=figure.start, end=figure.end, time_zone="UTC")
    parts = [each for each in parts_of(organisation, period) if figure.scope == f"site:{each.site_id}"]
    share, rate = figure.trace.parameters.get("share"), figure.trace.parameters.get("rate", "")
    is_whole = sum(each.period.days for each in parts) == period.days and {each.text for each in parts} == {share}
    if "/" in rate:
        # Days of the year on which the site counts, for its size.
        return is_whole and period.days / Fraction(rate) in YEARS
    return is_whole and Decimal(rate) in {Decimal(1), *(each.rate for each in organisation.rates)}
