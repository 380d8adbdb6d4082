"""Builds figures: every printed number gets a stable id, its inputs and the computation that makes it again.

A list of them has no pages: what the command line prints and a trace walks back, with nothing to lay out.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from assets.stores.warehouse.marts import PORTFOLIO
from data_quality.contracts.errors import OurFault
from data_quality.contracts.reporting.figure import Figure, Trace, TraceInput, figure_id
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.recompute.computations import code_sha256, combine
from reports.report_content import ReportContent

ESTIMATED = "estimated"
# Numbers about the readings themselves: that some are estimated is what they say.
COUNTS_OF_READINGS = ("coverage", "estimated_share", "compared_days", "uncertainty_kwh")


class FigureBook:
    """Collects the figures of one report revision; a path stands once."""

    def __init__(self, *, report_id: str, revision: int, as_of_utc: datetime, is_synthetic: bool) -> None:
        self.report_id, self.revision, self.as_of_utc = report_id, revision, as_of_utc
        self.is_synthetic = is_synthetic
        self._by_path: dict[str, Figure] = {}
        self._by_id: dict[str, Figure] = {}

    def add(
        self,
        path: str,
        value: Decimal | None,
        *,
        label: str,
        kpi: str,
        scope: str,
        start: date,
        end: date,
        unit: str,
        computation: str,
        parameters: Mapping[str, str],
        inputs: Sequence[TraceInput],
        status: str = "",
        coverage: float | None = None,
        estimated_share: float | None = None,
        uncertainty: float | None = None,
        findings: Sequence[str] = (),
    ) -> Figure:
        """A figure that comes from the lake or from a version. A missing value has a status that says why.

        findings: codes of what a reader must know beside it; they go on to whatever is made of it.
        Raises OurFault where the path is taken.
        """
        if path in self._by_path:
            raise OurFault(f"two figures at {path!r} of {self.report_id}")
        trace = Trace(
            computation=computation,
            code_sha256=code_sha256(computation),
            parameters=dict(parameters),
            as_of_utc=self.as_of_utc,
            inputs=tuple(inputs),
        )
        codes = [*findings, *([ESTIMATED] if estimated_share and kpi not in COUNTS_OF_READINGS else [])]
        if value is None and status:
            codes.insert(0, status)  # why there is no value comes before what else is to be known
        codes = list(dict.fromkeys(codes))
        made = Figure(
            figure_id=figure_id(
                report=self.report_id, revision=str(self.revision), path=path, scope=scope, start=start, end=end
            ),
            path=path,
            label=label,
            kpi=kpi,
            scope=scope,
            start=start,
            end=end,
            value=value,
            unit=unit,
            uncertainty=uncertainty,
            coverage=coverage,
            estimated_share=estimated_share,
            is_synthetic=self.is_synthetic,
            status=status or ("ok" if value is not None else next(iter(codes), "missing")),
            findings=tuple(codes),
            trace=trace,
        )
        self._by_path[path] = self._by_id[made.figure_id] = made
        return made

    def derive(
        self,
        path: str,
        computation: str,
        inputs: Sequence[tuple[str, Figure]],
        *,
        label: str,
        kpi: str,
        unit: str,
        scope: str = "",
        status: str = "",
        uncertainty: float | None = None,
    ) -> Figure:
        """A figure made of other figures (role, figure), over the span that they cover."""
        value = combine(computation, [(role, figure.value) for role, figure in inputs])
        found = dict.fromkeys(code for _, figure in inputs for code in figure.findings)
        coverages = [figure.coverage for _, figure in inputs if figure.coverage is not None]
        return self.add(
            path,
            value,
            label=label,
            kpi=kpi,
            scope=scope or inputs[0][1].scope,
            start=min(figure.start for _, figure in inputs),
            end=max(figure.end for _, figure in inputs),
            unit=unit,
            computation=computation,
            parameters={},
            inputs=[figure_input(figure, role) for role, figure in inputs],
            status=status,
            # As complete as its least complete part: a mean would hide a month without readings.
            coverage=min(coverages) if coverages else None,
            uncertainty=uncertainty,
            findings=tuple(found),
        )

    def has(self, path: str) -> bool:
        """True where a figure stands at the path."""
        return path in self._by_path

    def at(self, path: str) -> Figure:
        """The figure at a path. Raises KeyError."""
        return self._by_path[path]

    def by_id(self, figure_id: str) -> Figure:
        """The figure of an id. Raises KeyError."""
        return self._by_id[figure_id]

    def figures(self) -> tuple[Figure, ...]:
        """All figures in the order in which they were made: inputs before what is made of them."""
        return tuple(self._by_path.values())


def figure_input(figure: Figure, role: str) -> TraceInput:
    """A figure as an input of another."""
    return TraceInput(kind="figure", id=figure.figure_id, role=role, value=exact_text(figure.value))


def exact_text(value: Decimal | None) -> str:
    """All digits of a value; empty for none."""
    return "" if value is None else str(value)


def figure_list(book: FigureBook, *, name: str, title: str, period: Period, site: Site | None) -> ReportContent:
    """The book's figures as content. site: None where they are of all sites together."""
    return ReportContent(
        report_id=book.report_id,
        name=name,
        title=title,
        site_id=PORTFOLIO if site is None else site.site_id,
        site_name="Portfolio" if site is None else site.name,
        period=period.label,
        start=period.start,
        end=period.end,
        time_zone=period.time_zone,
        locale="en" if site is None else site.locale,
        currency="" if site is None else site.currency,
        revision=book.revision,
        as_of_utc=book.as_of_utc,
        status="draft" if book.is_synthetic else "final",
        is_synthetic=book.is_synthetic,
        findings=(),
        versions={},
        sections=(),
        figures=book.figures(),
    )
