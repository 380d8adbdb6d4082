"""Charts of a template as content: figures over an axis, and days and hours that a dataset knows and nothing prints."""

from collections.abc import Sequence
from typing import Literal

from data_quality.contracts.reporting.disclosure import Completeness
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.reporting.report_template import ChartSpec, NumberSpec, SeriesSpec
from reports.datasets.base import DayPoint, Item, shifted
from reports.datasets.day_lines import every_day
from reports.datasets.template_queries import TemplateQueries
from reports.report_content import Chart, Series
from reports.texts.locales import chosen, period_text, rules_of, unit_text, word

_ROLES = ("actual", "expected", "third")
Drawn = tuple[str, list[str], list[Series], list[Figure]]


def completeness_chart(required: Completeness, other: Completeness, language: str) -> Chart:
    """Counts of a pack's data points by where their answer comes from: the required ones and the others."""
    sources = ("figure", "organisation", "not_applicable", "missing")
    kinds: tuple[tuple[str, Literal["actual", "expected"], Completeness], ...] = (
        ("Required", "actual", required), ("Not required", "expected", other),
    )  # fmt: skip
    series = tuple(
        Series(name=word(name, language), role=role, values=tuple(float(getattr(found, each)) for each in sources))
        for name, role, found in kinds
    )
    return Chart(
        key="completeness", title=word("Data points by source", language), unit="", shape="bars", series=series,
        categories=tuple(word(each.replace("_", " "), language) for each in sources), locale=language,
    )  # fmt: skip


class ChartWriter:
    """Draws one report's charts; a chart that would show nothing is left out."""

    def __init__(self, ask: TemplateQueries, whole: Item) -> None:
        self.ask, self.whole, self.language = ask, whole, ask.language
        self._keys: set[str] = set()

    def chart(self, spec: ChartSpec, *, key: str, title: str, note: str, about: Item | None) -> list[Chart]:
        """The chart, or none."""
        if spec.stands_in_for in self._keys:
            return []
        made = self._made(spec, about or self.whole, about)
        if made is None:
            return []
        unit, names, series, shown = made
        self._keys.add(spec.key)
        return [
            Chart(
                key=key,
                title=title,
                unit=unit if spec.units is None else chosen(spec.units, self.language),
                shape=spec.shape,
                categories=tuple(names),
                series=tuple(series),
                locale=self.ask.given.locale,
                figure_ids=tuple(dict.fromkeys(figure.figure_id for figure in shown)),
                note=note,
                sheet=spec.sheet,
            )
        ]

    def _made(self, spec: ChartSpec, item: Item, about: Item | None) -> Drawn | None:
        """Unit, categories, series, and the figures that they are."""
        if spec.each == "day":
            return self._days(spec, item)
        if spec.each == "hour":
            return self._hours(spec, item)
        if spec.each in {"quarter_hour", "year_ahead"}:
            return self._course(spec, item)
        if spec.shape == "waterfall":
            return self._steps(spec, item)
        if spec.each == "month_of_year":
            return self._years(spec, item)
        return self._over(spec, items_about(self.ask, spec.each, about))

    def _over(self, spec: ChartSpec, items: Sequence[Item]) -> Drawn | None:
        series, unit, shown = list[Series](), "", list[Figure]()
        for each in spec.series:
            figures = [self.ask.figure(each, item) for item in items]
            unit = word(unit_text(figures[0].unit), self.language) if figures else ""
            shown += [figure for figure in figures if figure.value is not None or spec.is_kept]
            series.append(self._series(each, figures))
        if not spec.is_kept:
            # A series of nothing but holes would stand in the legend alone.
            series = [each for each in series if any(value is not None for value in each.values)]
            if not any(value for each in series for value in each.values):
                return None
        runs = sum(bool(value) for each in series for value in each.values)
        # One bar from one thing to one other tells nothing.
        if spec.shape == "flows" and runs < 2:
            return None
        # One thing over several spans: then the labels are the spans, in short.
        is_span = bool(items) and len({item.scope for item in items}) == 1
        names = [self._short(item) if is_span else item.label for item in items]
        return unit, names, series, shown

    def _days(self, spec: ChartSpec, item: Item) -> Drawn | None:
        # Days are drawn and are no figures: thousands of identifiers would trace what nobody reads off.
        lines = [(each, self.ask.days(each, item)) for each in spec.series]
        known = [(each, points) for each, points in lines if any(point.value is not None for point in points)]
        if not known and not spec.is_kept:
            return None
        days = [(each, every_day(points, item.period)) for each, points in known]
        series = [self._line(each, points) for each, points in days]
        names = [point.day.isoformat() for point in days[0][1]] if days else []
        # Where a running line ends stands a figure.
        ends = [self.ask.figure(each, item) for each, _ in known if each.is_running]
        return "", names, series, ends

    def _hours(self, spec: ChartSpec, item: Item) -> Drawn | None:
        load = self.ask.hours(spec.series[0], item)
        if not load:
            return None
        days = [point.day for point in every_day((), item.period)]
        series = [
            Series(
                name=f"{hour:02d}:00",
                role="actual",
                values=tuple(load[day][hour] if day in load else None for day in days),
            )
            for hour in range(24)
        ]
        # What the hours add up to is the figure.
        return "kW", [day.isoformat() for day in days], series, [self.ask.figure(spec.series[0], item)]

    def _course(self, spec: ChartSpec, item: Item) -> Drawn | None:
        lines = [(each, self.ask.quarter_hours(each, item)) for each in spec.series]
        series = [self._line(each, [point for _, point in steps]) for each, steps in lines]
        series = [each for each in series if any(value is not None for value in each.values)]
        names = [name for name, _ in lines[0][1]]
        # What the quarter hours add up to is the figure, and where the years end.
        ends = [self.ask.figure(each, item) for each in spec.series]
        unit = "kW" if spec.each == "quarter_hour" else word(unit_text(ends[0].unit), self.language)
        return (unit, names, series, ends) if series else None

    def _steps(self, spec: ChartSpec, item: Item) -> Drawn | None:
        """The year before, what each month changed, this year; none where a month of either is unknown."""
        each = spec.series[0]
        months = [Item(m.key, m.label, item.scope, m.period) for m in self.ask.items("month", item.period)]
        change = NumberSpec(combine="difference", of=(each.value, f"{each.value}@year_before"), unit=each.unit)
        before = Item(item.key, item.label, item.scope, shifted(item.period, "year_before"))
        figures = [self.ask.figure(each, before), *(self.ask.figure(change, month) for month in months)]
        figures.append(self.ask.figure(each, item))
        if any(figure.value is None for figure in figures):
            return None
        names = [self._short(before), *(self._month(month) for month in months), self._short(item)]
        return word(unit_text(figures[0].unit), self.language), names, [self._series(each, figures)], figures

    def _years(self, spec: ChartSpec, item: Item) -> Drawn | None:
        each, spans = spec.series[0], [item.period]
        for _ in _ROLES[1:]:
            spans.append(shifted(spans[-1], "year_before"))
        series, shown, unit = list[Series](), list[Figure](), ""
        for role, period in zip(_ROLES, spans, strict=True):
            months = [Item(m.key, m.label, item.scope, m.period) for m in self.ask.items("month", period)]
            figures = [self.ask.figure(each, month) for month in months]
            if any(figure.value is not None for figure in figures):
                unit = word(unit_text(figures[0].unit), self.language)
                shown += [figure for figure in figures if figure.value is not None]
                named = each.model_copy(update={"role": role, "names": {"en": self._short(Item("", "", "", period))}})
                series.append(self._series(named, figures))
        names = [self._month(month) for month in self.ask.items("month", item.period)]
        return (unit, names, series, shown) if series else None

    def _series(self, spec: SeriesSpec, figures: Sequence[Figure]) -> Series:
        # A picture needs no exact digits; None stays a gap.
        drawn = tuple(None if figure.value is None else float(figure.value) for figure in figures)
        return Series(name=chosen(spec.names, self.language), role=spec.role, values=drawn)

    def _line(self, spec: SeriesSpec, points: Sequence[DayPoint]) -> Series:
        has_band = any(point.low is not None for point in points)
        return Series(
            name=chosen(spec.names, self.language),
            role=spec.role,
            values=tuple(point.value for point in points),
            low=tuple(point.low for point in points) if has_band else (),
            high=tuple(point.high for point in points) if has_band else (),
        )

    def _short(self, item: Item) -> str:
        return period_text(item.period.start, item.period.end, self.language, is_short=True)

    def _month(self, item: Item) -> str:
        return rules_of(self.language).short_months.split()[item.period.start.month - 1]


def items_about(ask: TemplateQueries, axis: str, about: Item | None) -> list[Item]:
    """Rows of an axis; of one thing, its own."""
    found = ask.items(axis, ask.given.period)
    if about is None:
        return found
    if axis in {"month", "quarter", "year", "last_three_years"}:
        return [Item(key=each.key, label=each.label, scope=about.scope, period=each.period) for each in found]
    return [each for each in found if each.scope == about.scope or each.scope.startswith(f"{about.scope}/")]
