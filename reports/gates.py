"""May this be reported or published? Content and what is known about it in, reasons against it out; none means yes.

Was nothing read in the period, an error names the periods that have readings.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_ledger import refusal
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, last_local_day, local_day
from reports.report_content import ReportContent

SYNTHETIC = "synthetic_data"


def refuse_future(period: Period, known_at_utc: datetime, *, name: str) -> None:
    """A report needs a period that has begun by the time that it speaks of. Raises BadInput."""
    if period.start_utc >= known_at_utc:
        raise BadInput(
            f"{name} of {period.label or period.start} is of the future: the period begins on {period.start} "
            f"({period.time_zone}), and it is {known_at_utc.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            reason="future_period",
            mend="ask for a period that has begun",
        )


def period_not_over(period: Period, known_at_utc: datetime) -> list[Finding]:
    """A period under way is incomplete, and the report is a draft; nothing of one that is over."""
    if period.end_utc <= known_at_utc:
        return []
    last, now = period.end - timedelta(days=1), known_at_utc.astimezone(UTC)
    message = Sentence(
        "The period is incomplete: it runs to {0}, this report knows it up to {1} UTC. Its figures will change.",
        last,
        f"{now:%Y-%m-%d %H:%M}",
    )
    return [_blocking("period_not_over", message)]


def publishable(content: ReportContent) -> list[Finding]:
    """Reasons against publication, the report's own blocking findings first."""
    blockers = [finding for finding in content.findings if finding.is_blocking]
    codes = {finding.code for finding in blockers}
    synthetic = [figure.figure_id for figure in content.figures if figure.is_synthetic]
    if (content.is_synthetic or synthetic) and SYNTHETIC not in codes:
        blockers.append(
            Finding(
                code=SYNTHETIC,
                message="The report rests on simulated readings.",
                severity="blocking",
                facts={"figures": len(synthetic)},
            )
        )
    if content.revision == 0:
        blockers.append(_blocking("not_stored", "The report has no stored revision, so nothing traces it."))
    # Only where nothing else says why: "draft" by itself helps nobody.
    if content.status != "final" and not blockers:
        blockers.append(_blocking("draft", "The report is a draft."))
    return blockers


def publication_blockers(
    content: ReportContent,
    *,
    stale: Sequence[str],
    newest: int,
    broken: str | None,
    allow_synthetic: bool,
) -> list[Finding]:
    """Reasons against publishing a stored revision now.

    stale: names of inputs that differ today. newest: number of the report's newest revision. broken: id of a figure
    where the site's chain of figures breaks. allow_synthetic: simulated readings alone do not stand against it; they
    still make the publication one of its own kind, and every page of it carries the watermark.
    """
    blockers = publishable(content)
    # Only where every page says it: figures that know it under pages that do not are no state to publish in.
    if allow_synthetic and content.is_synthetic:
        blockers = [each for each in blockers if each.code != SYNTHETIC]
    if broken is not None:
        blockers.append(_blocking("chain_broken", f"The chain of figures breaks at {broken}.", figure_id=broken))
    if content.revision < newest:
        blockers.append(_blocking("not_newest", f"Revision {newest} has taken its place.", newest=newest))
    if stale:
        named = ", ".join(stale[:3]) + (f" and {len(stale) - 3} more" if len(stale) > 3 else "")
        blockers.append(_blocking("stale", f"It no longer holds: {named} changed since.", inputs=len(stale)))
    return blockers


def is_synthetic(content: ReportContent) -> bool:
    """True where anything in the report rests on simulated readings."""
    return content.is_synthetic or any(figure.is_synthetic for figure in content.figures)


def _blocking(code: str, message: str, **facts: Any) -> Finding:
    return Finding(code=code, message=message, severity="blocking", facts=facts)


# No interval that a meter file brings is longer: two months of a bill.
LONGEST = timedelta(days=62)


def refuse_without_readings(
    lake: Lake, site: Site, period: Period, *, name: str, as_of_utc: datetime | None = None, may_be_gap: bool = False
) -> None:
    """Raises BadInput where no meter of the site was read in the period: site, period, and from when to when some were.

    name: of what was asked for. as_of_utc: as known then. may_be_gap: a gap between readings is no refusal.
    """
    if _has_reading(lake, site, period, as_of_utc):
        return
    known = lake if as_of_utc is None else Lake(lake.root, lake.store, known_at_utc=as_of_utc, kept=lake.kept)
    spans = [each for meter_id, each in known.stream_spans(site.site_id).items() if meter_id in _metered(site)]
    what = f"{name} of {period.label or f'{period.start} to {period.end}'}: site {site.site_id!r} has no readings"
    if not spans and as_of_utc is not None:
        raise BadInput(
            f"no reading of site {site.site_id!r} was known at {as_of_utc:%Y-%m-%d %H:%M:%S}Z", reason="nothing_known"
        )
    if not spans:
        # A lake of another store has readings, and would take none of this one.
        mend = refusal(lake.store, lake.kept) or f"'meterloom ingest FILE --site {site.site_id}' takes them in"
        raise BadInput(f"{what} at all", reason="no_readings", mend=mend)
    first = local_day(min(start for start, _ in spans), site.time_zone)
    last = last_local_day(max(end for _, end in spans), site.time_zone)
    is_gap = first < period.end and period.start <= last
    if is_gap and may_be_gap:
        return
    gap = ", with a gap in this period" if is_gap else ""
    raise BadInput(
        f"{what} of that period; they run from {first} to {last} ({site.time_zone}){gap}",
        reason="no_readings",
        mend="ask for a period within, or ingest files of this one",
    )


def _has_reading(lake: Lake, site: Site, period: Period, as_of_utc: datetime | None) -> bool:
    """True where any meter was read within the period, by an interval that may begin before it."""
    first_utc, after_utc = period.start_utc, period.end_utc
    entries = lake.manifest(site.site_id, start_utc=first_utc - LONGEST, end_utc=after_utc, as_of_utc=as_of_utc)
    if not entries:
        return False
    start = pl.col("interval_start_utc")
    touches = (start < after_utc) & (start + pl.duration(minutes=pl.col("interval_minutes")) > first_utc)
    rows = pl.scan_parquet(lake.files(entries), hive_partitioning=False).filter(touches)
    return not rows.filter(pl.col("meter_id").is_in(_metered(site))).select("meter_id").head(1).collect().is_empty()


def _metered(site: Site) -> list[str]:
    return [meter.meter_id for meter in site.meters if not meter.is_virtual]
