"""Validation results of a site's readings for the command line and the API."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from assets.stores.lake.lake import Lake
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.site_file.vee import RuleFinding
from data_quality.contracts.time import local_midnight_utc, parse_day

if TYPE_CHECKING:
    from data_quality.validate import Validation


def judged_days(
    lake: Lake, site: Site, start: str | None, end: str | None, *, as_of_utc: datetime | None = None
) -> tuple["Validation | None", tuple[RuleFinding, ...]]:
    """The site's readings judged over local days [start, end), all that there are where none is named, and what was
    found in them; None where nothing was read. Raises BadInput.
    """
    from assets.readings.ingest.judge_site import judge_site

    span = lake.span(site.site_id, as_of_utc=as_of_utc)
    if span is None:
        return None, ()
    # UTC days of the lake; a local day may begin on the one before.
    first = parse_day(start, "--from") if start is not None else span[0] - timedelta(days=1)
    after = parse_day(end, "--to") if end is not None else span[1] + timedelta(days=2)
    if after <= first:
        raise BadInput(f"--to {after} is not after --from {first}", reason="bad_period")
    since, until = (local_midnight_utc(day, site.time_zone) for day in (first, after))
    judged = judge_site(lake, site, start_utc=since, end_utc=until, as_of_utc=as_of_utc)
    # Rules look beyond the span to know what is usual; what they find out there was not asked for.
    return judged, tuple(each for each in judged.findings if each.end_utc > since and each.start_utc < until)


def quality_result(judged: "Validation | None", findings: Sequence[RuleFinding]) -> dict[str, Any]:
    """The answer's JSON."""
    # Times as the others of the answer; the rest of a finding as it is written down.
    times = [{"start_utc": each.start_utc, "end_utc": each.end_utc} for each in findings]
    return {
        "score": None if judged is None else judged.score,
        "coverage": None if judged is None else judged.coverage,
        "findings": [each.model_dump(mode="json") | at for each, at in zip(findings, times, strict=True)],
        "streams": [] if judged is None else judged.streams(),
    }
