"""Everything that the page of one energy use shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from assets.kpi.enpi.alerts import EnpiAlert
from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.warehouse.marts import if_published
from data_quality.contracts.baselines.baseline import AdjustmentRecord, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import person_text
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period, months_of, whole_quarters
from reports.assess import (
    TREND_YEARS,
    Asking,
    Quarter,
    UseRequest,
    enb_of,
    ever_approved,
    known_days,
    quarters,
    quarters_before,
    use_asker,
    use_request,
)
from reports.datasets.base import DayPoint, use_item
from reports.datasets.day_lines import every_day

# Quarters that are looked at for the newest that can be assessed.
MOST_BACK = 8
# What is shown of each month, and of the whole span.
OF_MONTHS = ("actual_kwh", "expected_kwh", "delta_kwh")
OF_SPAN = ("enpi", "actual_kwh", "expected_kwh", "savings_kwh", "savings_value", "uncertainty_kwh")


class Driver(NamedTuple):
    """A driver of the use: its name and unit, and its value on each of the days."""

    name: str
    unit: str
    values: tuple[float | None, ...]


class UseDays(NamedTuple):
    """Days of a span, in order. saved: the running sum of savings; empty where none may be claimed."""

    actual: Sequence[DayPoint] = ()
    expected: Sequence[DayPoint] = ()
    saved: Sequence[DayPoint] = ()
    driver: Driver | None = None


@dataclass(frozen=True)
class UseData:
    """One energy use. whole: the asked span by `version`, as far as it is read; months, quarters: those of it, oldest
    first. newest: the newest assessable quarter of all that was read. before: metered energy of the training's months,
    by their names. trend: quarters by version. days: of the span, or of the training. names: of people by person_id.
    last_report: the newest period of which a report holds the use.
    """

    site: Site
    seu: Seu
    version: BaselineVersion | None
    versions: Sequence[BaselineVersion]
    span: Period
    whole: Quarter | None
    months: Sequence[Quarter]
    quarters: Sequence[Quarter]
    newest: Quarter | None
    before: Mapping[str, Figure]
    trend: Mapping[int, Sequence[Quarter]]
    adjustments: Sequence[AdjustmentRecord]
    alerts: Sequence[EnpiAlert]
    reviews: Sequence[Finding]
    days: UseDays
    training: UseDays
    names: Mapping[str, str] = field(default_factory=dict)
    last_report: str = ""

    def person(self, person_id: str) -> str:
        """Name of a person for pages."""
        return person_text(person_id, self.names.get(person_id))


def _read(span: Period, known: Period | None, time_zone: str) -> Period | None:
    """The days of the span up to the last reading; None where there are none."""
    if known is None or known.end <= span.start:
        return None
    end = min(span.end, known.end)
    return Period(label=f"{span.start}/{end}", start=span.start, end=end, time_zone=time_zone)


def _days(use: UseRequest, span: Period, *, has_band: bool = True) -> UseDays:
    """Days of the span against the version, as far as it is read; none without one. has_band: with what the model
    cannot tell.
    """
    period = _read(span, known_days(use.site, use.sources, use.as_of_utc), use.site.time_zone)
    if use.version is None or period is None:
        return UseDays()
    _, data = use_asker(use, period.start, period.end)
    item = use_item(use.seu, period)
    actual, expected, saved = (
        data.days(measure, item, is_running=is_running, has_band=has_band and measure != "actual_kwh")
        for measure, is_running in (("actual_kwh", False), ("expected_kwh", False), ("savings_kwh", True))
    )
    running = every_day(saved, period) if saved else []
    pairs = {each.local_date: each.features for each in data.use_days.pairs(use.seu, period)}
    features = [pairs.get(point.day, ()) for point in every_day(actual, period)]
    return UseDays(every_day(actual, period), every_day(expected, period), running, _driver(use, features))


def _driver(use: UseRequest, features: Sequence[tuple[float, ...]]) -> Driver | None:
    """The first driver of the baseline that it takes as it is measured; none where it takes degree days alone."""
    names = [each.name for each in use.version.baseline.coefficients if each.name != "intercept"] if use.version else []
    units = {each.driver_id: each.unit for each in use.site.drivers}
    at = next((at for at, name in enumerate(names) if name in units), None)
    if at is None or not any(features):
        return None
    values = tuple(each[at] if len(each) > at else None for each in features)
    return Driver(use.site.stream_name(names[at]), units[names[at]], values)


def newest_assessable(use: UseRequest) -> Quarter | None:
    """The newest quarter that has ended in the readings and can be assessed, of the last MOST_BACK; None without."""
    known = known_days(use.site, use.sources, use.as_of_utc)
    if known is None or use.version is None or not use.version.status.has_approval:
        return None
    end = known.end
    for _ in range(MOST_BACK):
        before = quarters_before(end, use.site.time_zone)
        found = quarters(use, [before])
        if found and not found[0].result.reason:
            return found[0]
        end = before.start
    return None


def use_data(
    given: Asking,
    seu_id: str,
    span: Period,
    *,
    baseline: str = "",
    names: Mapping[str, str] | None = None,
    last_report: str = "",
) -> UseData:
    """Everything that the page of one use shows. baseline: number of a version; the one in force without. names: of
    people by person_id. last_report: the newest period of which a report holds the use.
    """
    use = use_request(given, seu_id, baseline)
    site, seu, version, line = use.site, use.seu, use.version, enb_of(use.site, use.seu)
    every = given.sources.baselines.line(line, as_of_utc=use.as_of_utc)
    known = known_days(site, use.sources, use.as_of_utc)
    end = span.end if known is None else min(span.end, known.end)
    years = quarters_before(end, site.time_zone, months=12 * TREND_YEARS)
    training = _training_days(use)
    _expect(use, [span, years, *([training] if training else [])])
    trend = {each.version: quarters(replace(use, version=each), whole_quarters(years)) for each in ever_approved(every)}
    read = _read(span, known, site.time_zone)
    wholes = [] if version is None or read is None else _whole(use, read)
    return UseData(
        names=names or {},
        last_report=last_report,
        whole=wholes[0] if wholes else None,
        months=quarters(use, months_of(span), measures=OF_MONTHS),
        site=site,
        seu=seu,
        version=version,
        versions=every,
        span=span,
        quarters=quarters(use, whole_quarters(span)),
        newest=newest_assessable(use),
        # Of a training longer than a year the newest month of each name.
        before={}
        if training is None
        else {
            each.name: each.figures["metered_kwh"]
            for each in quarters(use, months_of(training), measures=("metered_kwh",))
        },
        training=UseDays() if training is None else _days(use, training, has_band=False),
        trend=trend,
        adjustments=AdjustmentStore(use.sources.lake.store).records(baseline_id=line, as_of_utc=use.as_of_utc),
        alerts=use.alerts(span),
        reviews=use.review(),
        days=_days(use, span),
    )


def _expect(use: UseRequest, spans: Sequence[Period]) -> None:
    """Read the use over all that is asked below: each of it is a part."""
    year, time_zone = use.known_year(), use.site.time_zone
    whole = [*spans, year, quarters_before(year.end, time_zone, months=12)]
    first, last = min(each.start for each in whole), max(each.end for each in whole)
    every = Period(label="", start=first, end=last, time_zone=time_zone)
    use.sources.use_days(use.site, use.seu, every, use.as_of_utc)


def _whole(use: UseRequest, span: Period) -> list[Quarter]:
    """The span as one; without what its savings are worth where the mart of costs is not published."""
    unpriced = tuple(each for each in OF_SPAN if each != "savings_value")
    return if_published(
        lambda: quarters(use, [span], measures=OF_SPAN),
        lambda _: quarters(use, [span], measures=unpriced),
    )


def _training_days(use: UseRequest) -> Period | None:
    """The days that the version was fitted on."""
    if use.version is None:
        return None
    fit = use.version.baseline
    return Period(label="training", start=fit.train_start, end=fit.train_end, time_zone=use.site.time_zone)
