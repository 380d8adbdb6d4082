"""Quarters of an energy use as figures: what the EnPI pages and the endpoints of the EnPI guide show."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from assets.kpi.enpi_of_use.alerts import quarters_of
from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.ledgers.baselines import baseline_id_of
from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineType, BaselineVersion
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.time import Period
from reports.asked.why_asked import Asking, assessing, version_of
from reports.datasets.base import Item
from reports.datasets.enpi import EnpiData
from reports.datasets.template_ask import Asker
from reports.enpi_life import TREND_YEARS, alerts_for, quarter_before, review_of, years_before
from reports.figures import FigureBook
from reports.pages.energy_uses import SHOWN, Quarter, UseTold

# Quarters that are looked at for the newest that can be assessed.
MOST_BACK = 8


def versions_of(given: Asking, seu: Seu) -> list[BaselineVersion]:
    """Versions of the use's energy baseline, oldest first."""
    name = baseline_id_of(given.site.site_id, seu.seu_id, BaselineType.ENB)
    every = given.baselines.versions(given.site.site_id, seu.seu_id, as_of_utc=given.as_of_utc)
    return [each for each in every if each.baseline_id == name]


def known_days(given: Asking) -> Period | None:
    """First and last local day with readings, the end excluded; None where nothing was read."""
    span = given.sources.lake.span(given.site.site_id, as_of_utc=given.as_of_utc)
    if span is None:
        return None
    return Period(label="known", start=span[0], end=span[1] + timedelta(days=1), time_zone=given.site.time_zone)


def quarters(
    given: Asking,
    seu: Seu,
    version: BaselineVersion | None,
    spans: Sequence[Period],
    *,
    measures: Sequence[str] = tuple(SHOWN),
) -> list[Quarter]:
    """The spans of the use that were read at all, by one version, each with its numbers as figures."""
    known = known_days(given)
    wanted = [each for each in spans if known is not None and each.end > known.start and each.start < known.end]
    if not wanted:
        return []
    label = f"{wanted[0].start}/{wanted[-1].end}"
    whole = Period(label=label, start=wanted[0].start, end=wanted[-1].end, time_zone=given.site.time_zone)
    book = FigureBook(
        report_id="/".join(["enpi", given.site.site_id, seu.seu_id, whole.label.replace("/", "~")]),
        revision=0,
        as_of_utc=given.as_of_utc,
        is_synthetic=given.sources.has_synthetic(given.site, whole, given.as_of_utc),
    )
    ask = assessing(given, whole, {seu.seu_id: version}, book)
    found = [_quarter(ask, seu, each, measures) for each in wanted]
    # The lake counts UTC days: its first one may belong to the day before, in local time.
    return [each for each in found if each.result.coverage > 0]


def _quarter(ask: Asker, seu: Seu, period: Period, measures: Sequence[str]) -> Quarter:
    data = ask.datasets["enpi"]
    assert isinstance(data, EnpiData)  # noqa: S101 - assessing() put it there
    item = Item(key="", label=seu.name, scope=f"seu:{seu.seu_id}", period=period)
    figures = {name: ask.question(f"enpi.{name}", item) for name in measures}
    return Quarter(period=period, result=data.result(seu, period), figures=figures)


def newest_assessable(given: Asking, seu: Seu, version: BaselineVersion | None) -> Quarter | None:
    """The newest quarter that has ended in the readings and can be assessed, of the last MOST_BACK; None without."""
    known = known_days(given)
    if known is None or version is None or version.status is BaselineStatus.PROVISIONAL:
        return None
    first = date(known.end.year, 3 * ((known.end.month - 1) // 3) + 1, 1)
    before = quarter_before(first, given.site.time_zone)
    for _ in range(MOST_BACK):
        found = quarters(given, seu, version, [before])
        if found and not found[0].result.reason:
            return found[0]
        before = quarter_before(before.start, given.site.time_zone)
    return None


def use_told(
    given: Asking, seu: Seu, span: Period, *, baseline: str = "", names: Mapping[str, str] | None = None
) -> UseTold:
    """Everything that the page of one use shows. baseline: number of a version; the one in force without. names: of
    people by person_id.
    """
    name = baseline_id_of(given.site.site_id, seu.seu_id, BaselineType.ENB)
    version = version_of(f"{name}@{baseline}" if baseline else "", given, seu.seu_id)
    every = versions_of(given, seu)
    known = known_days(given)
    end = span.end if known is None else min(span.end, known.end)
    years = years_before(end, TREND_YEARS, given.site.time_zone)
    approved = [each for each in every if each.status is not BaselineStatus.PROVISIONAL]
    # First the longest span: what is asked below is a part of what it read.
    trend = {each.version: quarters(given, seu, each, quarters_of(years)) for each in approved}
    return UseTold(
        names=names or {},
        site=given.site,
        seu=seu,
        version=version,
        versions=every,
        span=span,
        quarters=quarters(given, seu, version, quarters_of(span)),
        newest=newest_assessable(given, seu, version),
        before={} if version is None else _training(given, seu, version),
        trend=trend,
        adjustments=AdjustmentStore(given.sources.lake.store).records(baseline_id=name, as_of_utc=given.as_of_utc),
        alerts=() if version is None else alerts_for(
            given.site, version, span, sources=given.sources, as_of_utc=given.as_of_utc
        ),
        reviews=() if version is None else review_of(
            given.site, version, sources=given.sources, as_of_utc=given.as_of_utc
        ),
    )  # fmt: skip


def _training(given: Asking, seu: Seu, version: BaselineVersion) -> dict[int, Figure]:
    start, end = version.baseline.train_start, version.baseline.train_end
    span = Period(label="training", start=start, end=end, time_zone=given.site.time_zone)
    found = quarters(given, seu, version, quarters_of(span), measures=("metered_kwh",))
    # Of a training longer than a year the newest quarter of each name.
    return {(each.period.start.month + 2) // 3: each.figures["metered_kwh"] for each in found}
