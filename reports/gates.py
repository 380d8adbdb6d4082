"""May this report be published? Pure: content and what is known about it in, reasons against it out; none means yes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import Period
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
    message = (
        f"The period is incomplete: it runs to {last}, this report knows it up to {now:%Y-%m-%d %H:%M} UTC. "
        "Its figures will change."
    )
    return [_blocking("period_not_over", message)]


def publishable(content: ReportContent) -> list[Finding]:
    """Reasons against publication, the report's own blocking findings first."""
    against = [finding for finding in content.findings if finding.is_blocking]
    codes = {finding.code for finding in against}
    synthetic = [figure.figure_id for figure in content.figures if figure.is_synthetic]
    if (content.is_synthetic or synthetic) and SYNTHETIC not in codes:
        against.append(
            Finding(
                code=SYNTHETIC,
                message="The report rests on simulated readings.",
                severity="blocking",
                facts={"figures": len(synthetic)},
            )
        )
    if content.revision == 0:
        against.append(_blocking("not_stored", "The report has no stored revision, so nothing traces it."))
    # Only where nothing else says why: "draft" by itself helps nobody.
    if content.status != "final" and not against:
        against.append(_blocking("draft", "The report is a draft."))
    return against


def against_publication(
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
    against = publishable(content)
    # Only where every page says it: figures that know it under pages that do not are no state to publish in.
    if allow_synthetic and content.is_synthetic:
        against = [each for each in against if each.code != SYNTHETIC]
    if broken is not None:
        against.append(_blocking("chain_broken", f"The chain of figures breaks at {broken}.", figure_id=broken))
    if content.revision < newest:
        against.append(_blocking("not_newest", f"Revision {newest} has taken its place.", newest=newest))
    if stale:
        named = ", ".join(stale[:3]) + (f" and {len(stale) - 3} more" if len(stale) > 3 else "")
        against.append(_blocking("stale", f"It no longer holds: {named} changed since.", inputs=len(stale)))
    return against


def is_synthetic(content: ReportContent) -> bool:
    """True where anything in the report rests on simulated readings."""
    return content.is_synthetic or any(figure.is_synthetic for figure in content.figures)


def _blocking(code: str, message: str, **facts: Any) -> Finding:
    return Finding(code=code, message=message, severity="blocking", facts=facts)
