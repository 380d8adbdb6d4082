"""Interface of a dataset: measures with units and how longer spans are made of them, facts in words, findings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import polars as pl

from assets.kpi.enpi.enpi_result import EnpiRule
from assets.kpi.from_readings import VALUES, KpiQuery, KpiRow, row_of
from assets.stores.warehouse.marts import read_mart
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.control.experiment import Experiment
from data_quality.contracts.finding import Finding
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.people import person_text
from data_quality.contracts.reporting.disclosure import DisclosureAnswer
from data_quality.contracts.reporting.figure import Figure, TraceInput
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period, months_before, months_of, span
from reports.figure_book import FigureBook
from reports.recompute.figure_sources import Sources


@dataclass(frozen=True)
class ReportInput:
    """Input of one report. marts_dir: published marts, else everything comes from the readings.

    versions: SEU -> the baseline that expects. seu: the use that the report is about, where it is about one; project,
    dr_event and experiment likewise. project_versions: project -> its own baseline. names: of people by person_id.
    language: of words and numbers, where it is not the site's. answers: of the organisation, to data points.
    """

    site: Site
    period: Period
    as_of_utc: datetime
    sources: Sources
    versions: Mapping[str, BaselineVersion]
    marts_dir: Path | None = None
    seu: Seu | None = None
    rule: EnpiRule = field(default_factory=EnpiRule)
    confidence: float = 0.9
    project: MvProject | None = None
    dr_event: DrEvent | None = None
    experiment: Experiment | None = None
    project_versions: Mapping[str, BaselineVersion] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    answers: Sequence[DisclosureAnswer] = ()
    # Of a site within an organisation: the day from which it counts, and what other sites of it deliver.
    since: date | None = None
    left_out: str = ""
    # Of a report of an organisation itself; none of its sites has it.
    organisation: Organisation | None = None
    # Filled while the report is made: it is no part of what was asked.
    read_marts: dict[str, list[dict[str, Any]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def scope(self) -> str:
        """Scope of a question that names none."""
        if self.project is not None:
            return f"project:{self.project.project_id}"
        if self.dr_event is not None:
            return f"dr:{self.dr_event.event_id}"
        if self.experiment is not None:
            return f"experiment:{self.experiment.experiment_id}"
        return f"site:{self.site.site_id}" if self.seu is None else f"seu:{self.seu.seu_id}"

    @property
    def locale(self) -> str:
        """The locale in which the report is written."""
        return self.language or self.site.locale

    def person(self, person_id: str) -> str:
        """Name of a person for papers."""
        return person_text(person_id, self.names.get(person_id))

    def behind(self, period: Period) -> list[TraceInput]:
        """Inputs of everything that is read of a span: readings, site file, calendars."""
        key = ("behind", self.site.site_id, period.start, period.end, self.as_of_utc)
        return self.sources.keep(
            key,
            lambda: [
                self.sources.lake_input(self.site, period.start, period.end, self.as_of_utc),
                self.sources.site_input(self.site),
                *self.sources.calendar_inputs(self.site, period.start, period.end),
            ],
        )

    def mart(self, name: str) -> list[dict[str, Any]]:
        """Rows of the site in a published mart, read once a report. Only where there are marts."""
        assert self.marts_dir is not None  # noqa: S101 - the caller asked whether there are marts
        if name not in self.read_marts:
            self.read_marts[name] = read_mart(self.marts_dir, name, site_id=self.site.site_id).to_dicts()
        return self.read_marts[name]

    def span(self, period: Period) -> dict[str, str]:
        """Parameters that name site and span."""
        return {"site": self.site.site_id, "start": period.start.isoformat(), "end": period.end.isoformat()}


@dataclass(frozen=True)
class Measure:
    """One number that a dataset knows. unit `currency` is the site's own.

    whole: how a span of several months is made: sum or max of its months, or asked as it is. made: a combination of
    other measures of the same thing and span; with `parts`, of a whole it is the sum of its parts'. decimals None: by
    size. is_claim: a saving, or made of one: printed only where the dataset's gate lets it pass.
    """

    label: str
    unit: str
    whole: Literal["sum", "max", "asked", "parts"] = "sum"
    made: tuple[str, tuple[str, ...]] | None = None
    decimals: int | None = None
    is_share: bool = False
    is_claim: bool = False


@dataclass(frozen=True)
class Item:
    """One row of an axis: a span, or a thing of the site."""

    key: str
    label: str
    scope: str
    period: Period


def use_item(seu: Seu, period: Period) -> Item:
    """A use over a span."""
    return Item(key=seu.seu_id, label=seu.name, scope=f"seu:{seu.seu_id}", period=period)


@dataclass(frozen=True)
class Leaf:
    """One number read from lake, marts or versions, with the computation that makes it again."""

    value: Decimal | None
    computation: str
    parameters: Mapping[str, str]
    inputs: Sequence[TraceInput]
    status: str = ""
    coverage: float | None = None
    estimated_share: float | None = None
    uncertainty: float | None = None
    unit: str = ""
    findings: Sequence[str] = ()


def nothing(status: str, findings: Sequence[str] = ()) -> Leaf:
    """No number, and why."""
    return Leaf(None, "nothing", {}, [], status=status, findings=findings)


def put(book: FigureBook, path: str, leaf: Leaf, item: Item, *, label: str, kpi: str, unit: str) -> Figure:
    """A leaf as the figure of an item. unit: where the leaf has none of its own."""
    return book.add(
        path, leaf.value, label=label, kpi=kpi, scope=item.scope, start=item.period.start, end=item.period.end,
        unit=leaf.unit or unit, computation=leaf.computation, parameters=leaf.parameters, inputs=leaf.inputs,
        status=leaf.status, coverage=leaf.coverage, estimated_share=leaf.estimated_share,
        uncertainty=leaf.uncertainty, findings=leaf.findings,
    )  # fmt: skip


@runtime_checkable
class Claims(Protocol):
    """A dataset that has savings, and the gate before them."""

    def barred(self, item: Item) -> str:
        """Code of what forbids to claim a saving of the item; empty where nothing does."""


@runtime_checkable
class Books(Protocol):
    """A dataset whose figures have places, labels and an order of their own, and which tells all there is to tell.

    is_synthetic, synthetic_facts: whether a reading or baseline behind it is simulated, and which. versions: what the
    content names beside the template's.
    """

    is_synthetic: bool
    synthetic_facts: Mapping[str, str | float | int | bool | None]
    versions: Mapping[str, str]

    def fill(self, book: FigureBook) -> None:
        """Put every figure into a book; called once a book, before anything is asked."""

    def path(self, measure: str, item: Item) -> str:
        """Path of the item's figure in the book."""


class DayPoint(NamedTuple):
    """One day of a line, and the band around it where there is one."""

    day: date
    value: float | None
    low: float | None = None
    high: float | None = None


@runtime_checkable
class Divided(Protocol):
    """A dataset whose sum over a span of the site is made of things, not of months."""

    def parts(self, measure: str, item: Item) -> list[Item] | None:
        """Parts of the item's number; None where it is read as it is."""


@runtime_checkable
class Added(Protocol):
    """A dataset of which some numbers of a site are in no sum of an organisation."""

    def adds_up(self, measure: str, item: Item) -> bool:
        """False of a number that the site has not, and that is no unknown part of the organisation's."""


@runtime_checkable
class Linked(Protocol):
    """A dataset of which some numbers are another one's."""

    def linked(self, measure: str, item: Item) -> tuple[str, str, Item] | None:
        """Dataset, measure and item of the other's figure; None of a number of its own."""


@runtime_checkable
class Daily(Protocol):
    """A dataset with numbers by day: what a chart draws and nothing prints."""

    def days(self, measure: str, item: Item, *, is_running: bool, has_band: bool) -> Sequence[DayPoint]:
        """The item's days in order. is_running: summed from the first on; empty where that must not be claimed."""


@runtime_checkable
class Hourly(Protocol):
    """A dataset with the load of each hour: what a heat map draws and nothing prints."""

    def hours(self, item: Item) -> Mapping[date, Sequence[float | None]]:
        """Local day to the mean kW of its 24 hours by the clock; None where nothing was read."""


@runtime_checkable
class ByQuarterHour(Protocol):
    """A dataset with power by quarter hours, or money by years ahead: what a chart draws and nothing prints."""

    def quarter_hours(self, measure: str, item: Item, *, has_band: bool) -> Sequence[tuple[str, DayPoint]]:
        """Local clock and mean kW of the item's quarter hours in order, or years and money; all measures have alike."""


class Dataset(Protocol):
    """Answers of one kind for one site, as known at one instant.

    Its module states NAME, MEASURES and FACTS (names of what it can say in words), which the registry reads.
    """

    @property
    def measures(self) -> Mapping[str, Measure]:
        """Its measures by name."""

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Rows of an axis of its own, or None where the axis is not its."""

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A measure that is not made of others, for the item's thing and span."""

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Words about the item."""

    def findings(self, period: Period) -> list[Finding]:
        """Findings that a reader must know before its numbers."""


class OfSite:
    """A dataset without an axis of its own, which can say of an item its name alone; others say more."""

    def __init__(self, given: ReportInput) -> None:
        self.given = given

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """None: the axis is not its own."""
        return None

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """The item's name."""
        return item.label, "plain"


def shifted(period: Period, shift: str) -> Period:
    """The same span a year before, or the span of as many months before it."""
    if not shift:
        return period
    months = 12 if shift == "year_before" else len(months_of(period))
    start, end = months_before(period.start, months), months_before(period.end, months)
    # Up to a 29 February that there is not: the whole of that month, or a 28 February would have no day.
    return span(start, end + timedelta(days=end.day != period.end.day), period.time_zone)


# Calendar spans of which the marts have a row for every scope; other spans are made by the same SQL when asked.
PRINTED_GRAINS = ("month", "year")


class PublishedKpis:
    """KPIs as the published marts hold them: rows of whole months and years, or other grains, of one scope and years,
    or of all. Raises BadInput: none.
    """

    def __init__(
        self,
        marts_dir: Path,
        site_id: str,
        *,
        kpis: Collection[str],
        scope: str | None = None,
        grains: Collection[str] = PRINTED_GRAINS,
        years: Collection[int] | None = None,
    ) -> None:
        wanted = pl.col("grain").is_in(list(grains)) & pl.col("kpi").is_in(list(kpis))
        wanted = wanted if scope is None else wanted & (pl.col("scope") == scope)
        rows = read_mart(marts_dir, VALUES, site_id=site_id, where=wanted, years=years)
        self._frames = rows.partition_by("scope", as_dict=True)
        self._rows: dict[str, dict[KpiQuery, KpiRow]] = {}

    def get(self, question: KpiQuery) -> KpiRow | None:
        """The row of that question; None where the marts have none."""
        # Scope by scope: of the hundreds of a large site a report prints few.
        if question.scope not in self._rows:
            frame = self._frames.get((question.scope,))
            rows = [] if frame is None else frame.iter_rows(named=True)
            self._rows[question.scope] = {
                KpiQuery(row["kpi"], row["scope"], row["period_start"], row["period_end"]): row_of(row) for row in rows
            }
        return self._rows[question.scope].get(question)
