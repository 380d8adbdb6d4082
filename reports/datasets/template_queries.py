"""Answers a template's questions: figures of the datasets, sums of their months, and what is made of several."""

from collections.abc import Mapping, Sequence
from datetime import date

from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.reporting.report_template import NumberSpec, SeriesSpec, Tone, parse_question
from data_quality.contracts.sentence import Sentence, Stored, sentences
from data_quality.contracts.time import Period, months_of, period_key, quarters_of, span, years_of
from reports.datasets.base import (
    Books,
    ByQuarterHour,
    Claims,
    Daily,
    Dataset,
    DayPoint,
    Divided,
    Hourly,
    Item,
    Leaf,
    Linked,
    Measure,
    ReportInput,
    nothing,
    put,
    shifted,
)
from reports.figure_book import FigureBook
from reports.texts.locales import page_word, period_text, word

SHOWN_IN = {
    ("kwh", "GJ"): ("in_gj", "gj"),
    ("kwh", "MWh"): ("in_thousands", "mwh"),
    ("kgco2e", "t"): ("in_thousands", "tco2e"),
}
COMBINED_UNITS = {"ratio": "ratio", "percent_of": "percent", "deviation_percent": "percent"}


class TemplateQueries:
    """Fills one figure book with answers; the same question is answered once.

    language: of the labels. place: what paths begin with, where several sites fill one book.
    """

    def __init__(
        self,
        given: ReportInput,
        datasets: Mapping[str, Dataset],
        book: FigureBook,
        *,
        language: str | None = None,
        place: str = "",
    ) -> None:
        self.given, self.datasets, self.book, self._place = given, datasets, book, place
        self.language = language or given.locale
        # What a dataset is does not change, and asking it of a protocol costs more than an answer.
        self._books = {name: each for name, each in datasets.items() if isinstance(each, Books)}
        self._claims = {name: each for name, each in datasets.items() if isinstance(each, Claims)}
        self._linked = {name: each for name, each in datasets.items() if isinstance(each, Linked)}

    def items(self, axis: str, period: Period) -> list[Item]:
        """Rows of an axis. Raises OurFault for one that nobody has."""
        scope = self.given.scope
        spans = {
            "month": months_of,
            "quarter": quarters_of,
            "year": years_of,
            "last_three_years": last_three_years,
        }.get(axis)
        if spans is not None:
            return [
                Item(
                    key=period_key(each.start, each.end),
                    label=period_text(each.start, each.end, self.language),
                    scope=scope,
                    period=each,
                )
                for each in spans(period)
            ]
        for dataset in self.datasets.values():
            found = dataset.items(axis, period)
            if found is not None:
                return found
        raise OurFault(f"no dataset has the axis {axis!r}")

    def figure(self, spec: NumberSpec | SeriesSpec, item: Item) -> Figure:
        """The figure of a number spec for an item."""
        combine = getattr(spec, "combine", None)
        if combine is None:
            assert spec.value is not None  # noqa: S101 - the contract: value or combine
            figure = self.question(spec.value, item)
        else:
            figure = self._combined(combine, spec, item)  # type: ignore[arg-type]
        return self._in_unit(figure, spec.unit)

    def question(self, text: str, item: Item) -> Figure:
        """The figure of one question for an item."""
        parsed = parse_question(text)
        scope = parsed.scope or item.scope
        period = shifted(item.period, parsed.shift)
        wanted = Item(key=item.key, label=item.label, scope=scope, period=period)
        return self.measure(parsed.dataset, parsed.measure, wanted)

    def fact(self, text: str, item: Item) -> tuple[str, Tone]:
        """Words about an item, sentences among them in the report's language."""
        question = parse_question(text)
        words, tone = self.datasets[question.dataset].fact(question.measure, item)
        return page_word(words, self.language) if isinstance(words, Sentence | Stored) else words, tone

    def days(self, spec: SeriesSpec, item: Item) -> Sequence[DayPoint]:
        """A measure's numbers by day, which are no figures. Raises OurFault for a dataset that has none."""
        question = parse_question(spec.value)
        source = self.datasets[question.dataset]
        if not isinstance(source, Daily):
            raise OurFault(f"dataset {question.dataset!r} has no numbers by day")
        return source.days(question.measure, item, is_running=spec.is_running, has_band=spec.has_band)

    def hours(self, spec: SeriesSpec, item: Item) -> Mapping[date, Sequence[float | None]]:
        """The load by day and hour, which is no figure. Raises OurFault for a dataset that has none."""
        source = self.datasets[parse_question(spec.value).dataset]
        if not isinstance(source, Hourly):
            raise OurFault(f"{spec.value!r} has no numbers by hour")
        return source.hours(item)

    def quarter_hours(self, spec: SeriesSpec, item: Item) -> Sequence[tuple[str, DayPoint]]:
        """Power by quarter hours, which is no figure. Raises OurFault for a dataset that has none."""
        question = parse_question(spec.value)
        source = self.datasets[question.dataset]
        if not isinstance(source, ByQuarterHour):
            raise OurFault(f"dataset {question.dataset!r} has no numbers by quarter hour")
        return source.quarter_hours(question.measure, item, has_band=spec.has_band)

    def measure_of(self, text: str) -> Measure:
        """Kind of number that a question gives."""
        question = parse_question(text)
        return self.datasets[question.dataset].measures[question.measure]

    def findings(self, used: Sequence[str]) -> list[Finding]:
        """Findings of the datasets that the report asks, each once."""
        found = [finding for name in used for finding in self.datasets[name].findings(self.given.period)]
        kept: dict[tuple[str, str, str], Finding] = {}
        for finding in found:
            # Two datasets may tell one thing: the first to tell it is kept.
            kept.setdefault((finding.code, finding.scope, finding.message), finding)
        return list(kept.values())

    def measure(self, dataset: str, name: str, item: Item) -> Figure:
        """The figure of a dataset's measure for an item."""
        if dataset in self._books:
            return self.book.at(self._books[dataset].path(name, item))
        if dataset in self._linked and (other := self._linked[dataset].linked(name, item)) is not None:
            return self.measure(*other)
        path = f"{self._place}{dataset}/{item.scope}/{period_key(item.period.start, item.period.end)}/{name}"
        if self.book.has(path):
            return self.book.at(path)
        source = self.datasets[dataset]
        measure = source.measures[name]
        named = word(measure.label, self.language)
        label = f"{item.label}: {named}" if item.label else named
        # Who has savings has the gate.
        if measure.is_claim and (code := self._claims[dataset].barred(item)):
            # A saving that must not be claimed: no number, and why.
            return self._put(path, nothing(code, (code,)), item, label=label, kpi=name, unit=measure.unit)
        parts_of = self.parts_of(dataset, name, item) if measure.made is None or measure.whole == "parts" else None
        if parts_of is None and measure.made is not None:
            combination, parts = measure.made
            made = [("part" if combination == "sum" else part, self.measure(dataset, part, item)) for part in parts]
            return self._derived(path, combination, made, label=label, kpi=name, unit=measure.unit, item=item)
        if parts_of is not None:
            combination = "max" if measure.whole == "max" else "sum"
            return self._derived(path, combination, parts_of, label=label, kpi=name, unit=measure.unit, item=item)
        return self._put(path, source.leaf(name, item), item, label=label, kpi=name, unit=measure.unit)

    def parts_of(self, dataset: str, name: str, item: Item) -> list[tuple[str, Figure]] | None:
        """Figures that make a measure of an item, or None where it is read as it is."""
        source = self.datasets[dataset]
        found = self._parts(source, name, source.measures[name], item)
        return None if found is None else [("part", self.measure(dataset, name, part)) for part in found]

    def _parts(self, source: Dataset, name: str, measure: Measure, item: Item) -> list[Item] | None:
        """The items whose figures make this one, or None where it is read as it is."""
        # Bills and events are of no month: the site's sum is made of them.
        if isinstance(source, Divided):
            return source.parts(name, item)
        months = months_of(item.period)
        is_whole = len(months) > 1 and item.period.start.day == 1 and item.period.end.day == 1
        # A meter's span is read as it is: many meters of many months would bury the figures that are printed.
        if measure.whole == "asked" or not is_whole or item.scope.startswith("meter:"):
            return None
        return [
            Item(
                key=period_key(month.start, month.end),
                label=f"{item.label}, {month.label}" if item.label else month.label,
                scope=item.scope,
                period=month,
            )
            for month in months
        ]

    def _derived(
        self,
        path: str,
        combination: str,
        parts: Sequence[tuple[str, Figure]],
        *,
        label: str,
        kpi: str,
        unit: str,
        item: Item,
    ) -> Figure:
        if parts:
            used = parts[0][1].unit if unit == "currency" else unit
            return self.book.derive(path, combination, parts, label=label, kpi=kpi, unit=used, scope=item.scope)
        # A sum of nothing is unknown: it must not read as zero.
        return self._put(path, nothing("missing"), item, label=label, kpi=kpi, unit=unit)

    def _put(self, path: str, leaf: Leaf, item: Item, *, label: str, kpi: str, unit: str) -> Figure:
        used = self.given.site.currency if unit == "currency" else unit
        return put(self.book, path, leaf, item, label=label, kpi=kpi, unit=used)

    def _combined(self, combine: str, spec: NumberSpec, item: Item) -> Figure:
        figures = [self.question(text, item) for text in spec.of]
        units = {figure.unit for figure in figures}
        # A ratio may be of two units, which then stand in its own.
        if combine in {"sum", "difference", "deviation_percent"} and len(units) > 1:
            raise BadInput(
                f"{combine} of {' and '.join(spec.of)} mixes the units {', '.join(sorted(units))}",
                reason="bad_template",
            )
        path = f"{combine}/{item.scope}/{period_key(item.period.start, item.period.end)}/{'/'.join(spec.of)}"
        if self.book.has(path):
            return self.book.at(path)
        unit = COMBINED_UNITS.get(combine, figures[0].unit)
        if combine == "ratio" and len(units) > 1:
            unit = f"{figures[0].unit}/{figures[1].unit}"
        return self.book.derive(
            path,
            combine,
            [("part" if combine == "sum" else text, figure) for text, figure in zip(spec.of, figures, strict=True)],
            label=page_word(
                # No preposition: labels stand in no case but their own.
                Sentence("{0} ({1})", Sentence(combine.replace("_", " ")), sentences([f.label for f in figures])),
                self.language,
            ),
            kpi=combine,
            unit=unit,
            scope=item.scope,
        )

    def _in_unit(self, figure: Figure, unit: str | None) -> Figure:
        if unit is None:
            return figure
        if (figure.unit, unit) not in SHOWN_IN:
            raise BadInput(f"{figure.label} is in {figure.unit} and cannot be shown in {unit}", reason="bad_template")
        combination, code = SHOWN_IN[figure.unit, unit]
        path = f"{figure.path}/{code}"
        if self.book.has(path):
            return self.book.at(path)
        return self.book.derive(
            path, combination, [("value", figure)], label=figure.label, kpi=figure.kpi, unit=code, scope=figure.scope
        )


def last_three_years(period: Period) -> list[Period]:
    """The same span in the two years before, and the span itself."""
    before = shifted(period, "year_before")
    return [shifted(before, "year_before"), before, span(period.start, period.end, period.time_zone)]
