"""Figures of boards, not stored: made of mart rows or by a named computation, each with its reason."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any, Literal

import polars as pl

from assets.stores.warehouse.marts import if_published, mart_files
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, months_after
from orchestration.web.queries import asking, marts_of
from orchestration.web.request_context import Context
from reports.assess import baselines_in_force
from reports.datasets.base import Item
from reports.datasets.template_queries import TemplateQueries
from reports.figure_book import FigureBook
from reports.figures.answer import assessing
from reports.figures.kpi_list import COLUMNS, add_rows, hours_of
from reports.figures.query import Query
from reports.pages.address import why_address, why_of
from reports.pages.widgets.tile import TileFigure
from reports.recompute.figure_sources import Sources
from reports.texts.locales import period_text


class Show:
    """The figures of one page about one site; `whys` collects where each leads."""

    def __init__(self, ctx: Context, site: Site, sources: Sources) -> None:
        self.ctx, self.site, self.sources = ctx, site, sources
        self.address = ctx.address.model_copy(update={"site": site.site_id})
        self.as_of_utc = ctx.as_of_or_now
        self.read = marts_of(ctx, site)
        self.book = FigureBook(
            report_id=f"page/{ctx.address.path}/{site.site_id}", revision=0, as_of_utc=self.as_of_utc,
            is_synthetic=site.is_simulated,
        )  # fmt: skip
        self.whys: dict[str, str] = {}
        self._askers: dict[tuple[date, date], TemplateQueries] = {}

    def shown(self, figure: Figure | None) -> TileFigure | None:
        """The figure with the address that explains it."""
        if figure is None:
            return None
        why = why_of(figure, self.address, self.book.by_id)
        self.whys[figure.figure_id] = why
        return TileFigure(figure=figure, why=why)

    def judged(self, dataset: Literal["enpi", "project"], measure: str, scope: str, period: Period) -> TileFigure:
        """A number of an energy use against its baseline in force, or of a measure; asked for again by its name."""
        if (period.start, period.end) not in self._askers:
            site_asking = replace(asking(self.ctx, self.sources), site=self.site, as_of_utc=self.as_of_utc)
            versions = baselines_in_force(self.site, site_asking.sources.baselines, as_of_utc=self.as_of_utc)
            self._askers[period.start, period.end] = assessing(site_asking, period, versions, self.book)
        item = Item(key="", label=scope, scope=scope, period=period)
        figure = self._askers[period.start, period.end].question(f"{dataset}.{measure}", item)
        grain = "assessment" if dataset == "enpi" else "project"
        query = Query(measure=measure, scopes=(scope,), span=f"{period.start}/{period.end}", grain=grain)
        self.whys[figure.figure_id] = why_address(query, self.address)
        return TileFigure(figure=figure, why=self.whys[figure.figure_id])

    def mart(
        self, name: str, where: pl.Expr | None = None, *, scope: str | None = None, years: Collection[int] | None = None
    ) -> pl.DataFrame:
        """Rows of the site, or of one of its scopes; none where the mart is not published yet. years: those of their
        days that may be wanted: what else is kept of a mart leaves no place for others.
        """
        read = partial(self.read, name, site_id=self.site.site_id, scope=scope, where=where, years=years)
        return if_published(read, lambda _: pl.DataFrame())

    def figures(self, rows: pl.DataFrame) -> list[Figure]:
        """A figure for each row of KPI marts, in the rows' order."""
        return add_rows(self.book, self.site, rows, sources=self.sources, marts_dir=self.ctx.marts_now, is_traced=False)

    def values(self, kpi: str, grain: str, start: date, end: date, scope: str) -> pl.DataFrame:
        """Rows of a scope's KPI of a grain within [start, end)."""
        where = (
            (pl.col("kpi") == kpi)
            & (pl.col("grain") == grain)
            & (pl.col("period_start") >= start)
            & (pl.col("period_end") <= end)
            & (pl.col("scope") == scope)
        )
        return self.mart("mart_site__kpi_values", where, scope=scope, years=range(start.year, end.year + 1))

    def one(self, kpi: str, scope: str, grain: str, start: date, end: date) -> TileFigure | None:
        """One row of the marts, or None."""
        rows = self.values(kpi, grain, start, end, scope)
        return self.shown(self.figures(rows.select(COLUMNS))[-1]) if rows.height else None

    def months(self, kpi: str, scope: str, period: Period) -> tuple[float | None, ...]:
        """A KPI in each month of the period, None where it is not known; of one month alone there is nothing to see."""
        rows = self.values(kpi, "month", period.start, period.end, scope)
        known = dict(zip(rows["period_start"], rows["value"], strict=True)) if rows.height else {}
        count = (period.end.year - period.start.year) * 12 + period.end.month - period.start.month
        values = [known.get(months_after(period.start, at)) for at in range(count)]
        return tuple(None if each is None else float(each) for each in values) if count > 1 else ()

    def over(self, kpi: str, scope: str, period: Period) -> tuple[TileFigure | None, tuple[Finding, ...]]:
        """A KPI that adds up, over the period: its year's or month's row, or the sum of its months or days.

        Days without a row are told, and are in no sum.
        """
        is_months = period.start.day == 1 and period.end.day == 1
        if is_months and period.start.month == 1 and period.end == date(period.start.year + 1, 1, 1):
            whole = self.one(kpi, scope, "year", period.start, period.end)
            if whole is not None:
                return whole, ()
        grain = "month" if is_months else "day"
        rows = self.values(kpi, grain, period.start, period.end, scope)
        if rows.is_empty():
            return None, ()
        parts = self.figures(rows.sort("period_start").select(COLUMNS))
        known = [each for each in parts if each.value is not None]
        known_days = sum((each.end - each.start).days for each in known)
        gaps: tuple[Finding, ...] = ()
        if known_days < period.days:
            words = period_text(period.start, period.end, self.address.locale, is_short=True)
            pattern = "{0} of {1} days of {2} have readings; the others are in no sum"
            message = Sentence(pattern, known_days, period.days, words)
            gaps = (Finding(code="gap", message=message, scope=scope, facts={"days": known_days, "of": period.days}),)
        if not known:
            return self.shown(parts[0]), gaps
        return self.shown(known[0] if len(known) == 1 else self.sum_of(known, f"{kpi} of {scope}")), gaps

    def baseline_deviation(self, seu_id: str, kpi: str, period: Period) -> TileFigure | None:
        """A use against its baseline over whole months, as the marts have it; None where a month has none."""
        is_it = (pl.col("scope") == f"seu:{seu_id}") & (pl.col("kpi") == kpi)
        rows = self.mart("mart_seu__kpi_values", is_it)
        if rows.is_empty():
            return None
        whole = rows.filter((pl.col("period_start") == period.start) & (pl.col("period_end") == period.end))
        inside = (pl.col("period_start") >= period.start) & (pl.col("period_end") <= period.end)
        rows = whole if whole.height else rows.filter((pl.col("grain") == "month") & inside).sort("period_start")
        carrier = next(each.carrier.value for each in self.site.seus if each.seu_id == seu_id)
        parts = self.figures(rows.with_columns(carrier=pl.lit(carrier), findings=pl.col("finding")))
        if sum((each.end - each.start).days for each in parts) != period.days:
            return None
        return self.shown(parts[0] if len(parts) == 1 else self.sum_of(parts, f"{kpi} of seu:{seu_id}"))

    def sum_of(self, parts: Sequence[Figure], label: str) -> Figure:
        """The sum of figures of one KPI and unit."""
        first = parts[0]
        path = f"sum/{first.scope}/{first.kpi}/{first.path.split('/')[-3]}/{first.start}/{parts[-1].end}/{len(parts)}"
        if self.book.has(path):
            return self.book.at(path)
        inputs = [("part", each) for each in parts]
        return self.book.derive(path, "sum", inputs, label=label, kpi=first.kpi, unit=first.unit, scope=first.scope)

    def pair(
        self, computation: str, first: TileFigure | None, second: TileFigure | None, unit: str, label: str
    ) -> TileFigure | None:
        """Difference, ratio or deviation of two figures; None where either is not there."""
        if first is None or second is None:
            return None
        one, two = first.figure, second.figure
        path = f"{computation}/{one.figure_id}/{two.figure_id}"
        if not self.book.has(path):
            inputs = [("first", one), ("second", two)]
            self.book.derive(path, computation, inputs, label=label, kpi=one.kpi, unit=unit, scope=one.scope)
        return self.shown(self.book.at(path))

    def hours(self, kpi: str, scope: str, day: date) -> list[Figure]:
        """The hours of a local day that are read, in order."""
        period = Period(label=str(day), start=day, end=day + timedelta(days=1), time_zone=self.site.time_zone)
        read = partial(hours_of, self.site, period, self.read, scope=scope, kpis=(kpi,))
        rows = if_published(read, lambda _: pl.DataFrame())
        if rows.is_empty():
            return []
        rows = rows.filter((pl.col("scope") == scope) & (pl.col("kpi") == kpi) & (pl.col("coverage") > 0))
        return self.figures(rows.sort("hour_start_utc"))

    def newest(self, name: str, column: str = "period_end") -> date | None:
        """The end of the last span that a mart holds of the site."""
        years = if_published(
            lambda: [int(each.stem) for each in mart_files(self.read.marts_dir, name, site_id=self.site.site_id)],
            lambda _: [],
        )
        rows = self.mart(name, years=years[-1:])
        found: Any = rows[column].max() if rows.height else None
        return found if isinstance(found, date) else None
