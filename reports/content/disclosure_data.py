"""Data points of a pack as content: each a figure, an answer of the organisation, a gap, or not applicable."""

from collections.abc import Sequence
from datetime import date
from itertools import zip_longest
from typing import Any, Literal

from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.disclosure import Datum, DisclosureAnswer, completeness_of, gaps_of
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.reporting.report_template import DataSpec, DatumSpec, FrameworkSpec, is_of
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import months_after
from reports.content.caveats import SENTENCES
from reports.content.template_blocks import BlockWriter
from reports.content.template_charts import completeness_chart
from reports.content.templates import BESIDE
from reports.datasets.base import Item
from reports.datasets.footprint_figures import NOT_COUNTED
from reports.report_content import Block, Cell, Chart, Column, Paragraph, Row, Table
from reports.texts.locales import MISSING, chosen, format_number, long_date, page_word, unit_text, word
from reports.writer import plain, words

NOBODY_KNOWS = "from the organisation"
ENERGY_MANAGER = "Energy manager"
# Ids of a finding's sentence; the list of gaps has all.
MOST_NAMED = 6


class DataWriter:
    """Answers the data points of one pack and keeps what it found.

    An answer of the organisation counts where no figure does; last year's is offered beside a gap and never taken.
    """

    def __init__(self, write: BlockWriter, framework: FrameworkSpec, pack: str) -> None:
        self.write, self.ask, self.framework = write, write.ask, framework
        self.data: list[Datum] = []
        self._cells: list[Cell] = []
        self._unused: list[str] = []
        given = write.ask.given
        # Of packs side by side both have answers.
        packs = {pack, *pack.split(BESIDE)}
        mine = [each for each in given.answers if each.pack in packs and each.site == given.site.site_id]
        year = given.period.start.year
        # The last one of a file counts.
        self._answers = {each.id: each for each in mine if each.year == year}
        self._before = {each.id: each for each in mine if each.year == year - 1}

    def tables(self, spec: DataSpec) -> list[Block]:
        """The block's data points: numbers, and below them what is said in words."""
        numbers, texts = list[Row](), list[Row]()
        for point in spec.points:
            is_number = point.kind in {"figure", "table"}
            for datum, cell in self._answered(point):
                self.data.append(datum)
                self._cells.append(cell)
                (numbers if is_number else texts).append(self._row(datum, cell, has_unit=is_number))
        title = chosen(spec.titles, self.write.language)
        made: list[Block] = []
        if numbers:
            made.append(self._table(spec.key, title, spec.sheet, numbers, has_unit=True))
        if texts:
            words_title = title if not numbers else f"{title}: {self._word('in words')}"
            made.append(self._table(f"{spec.key}_in_words", words_title, spec.sheet, texts, has_unit=False))
        return made

    def front(self) -> list[Block]:
        """The completeness of the pack, and the source of its identifiers; for page one."""
        counts, checked = completeness_of(self.data), self.framework.checked
        counts_text = Sentence(
            "{0}, edition {1}: of {2} required data points {3} are figures, {4} are answers of the organisation, "
            "{5} do not apply and {6} are missing.",
            self.framework.name, self.framework.edition, counts.required, counts.figure, counts.organisation,
            counts.not_applicable, counts.missing,
        )  # fmt: skip
        compared = Sentence("Its identifiers were compared with no public source.")
        if self.framework.is_own:
            compared = Sentence("Its identifiers are its own.")
        if checked is not None:
            day = long_date(checked.on, self.write.language)
            compared = Sentence("Its identifiers were compared with {1} on {0}.", day, Sentence(checked.source))
        return [
            Paragraph(
                text=f"{self._worded(counts_text)} {self._worded(compared)}",
                tone="caution" if counts.missing else "plain",
            ),
        ]

    def picture(self) -> Chart:
        """Counts of data points by where their answer comes from, the required ones and the others."""
        return completeness_chart(
            completeness_of(self.data), completeness_of(self.data, required=False), self.write.language
        )

    def bridge(self) -> list[Table]:
        """Data points of an earlier edition beside those of this one; none where only one of them is asked."""
        spec, rows = self.framework.bridge, list[Row]()
        known = list(zip(self.data, self._cells, strict=True))
        for pair in () if spec is None else spec.pairs:
            was, now = ([each for each in known if any(is_of(each[0].id, name) for name in names)]
                        for names in (pair.was, pair.now))  # fmt: skip
            if pair.was and not was:
                return []
            note = chosen(pair.notes, self.write.language) if pair.notes else ""
            for place, (one, other) in enumerate(zip_longest(was, now)):
                rows.append(Row(cells=(*self._side(one), *self._side(other), plain("" if place else note))))
        editions = [f"{self.framework.name} {each}" for each in self.framework.edition.split("+")]
        value, unit = (self._word(each) for each in ("Value", "Unit"))
        heads = [Column(title=each, weight=3) for each in editions]
        sides = (Column(title=value, is_number=True, weight=1.5), Column(title=unit, weight=1.1))
        columns = (heads[0], *sides, heads[-1], *sides, Column(title=self._word("What is different"), weight=2.4))
        title = self._word("From edition to edition")
        return [Table(key="bridge", title=title, sheet="Bridge", columns=columns, rows=tuple(rows))] if rows else []

    def _side(self, found: tuple[Datum, Cell] | None) -> tuple[Cell, Cell, Cell]:
        """A data point of one edition: name, value and unit; of one in words, where the words come from."""
        if found is None:
            return plain(""), plain(""), plain("")
        datum, cell = found
        name = " ".join(each for each in (datum.id, datum.label, datum.item) if each)
        is_number = datum.kind in {"figure", "table"} and datum.value is not None
        source = plain(self._word(datum.source.replace("_", " ")), "muted")
        return plain(name), cell if is_number else source, plain(datum.unit)

    def gaps(self) -> list[Table]:
        """The list of gaps; none where nothing is missing."""
        gaps, language = gaps_of(self.data), self.write.language
        rows = [
            Row(
                cells=(
                    plain(each.id, "bad" if each.required else "plain"),
                    plain(f"{each.what} ({each.reason})"),
                    plain(each.who),
                    plain("" if each.by is None else long_date(each.by, language)),
                    plain(each.offered),
                )
            )
            for each in gaps
        ]
        heads = (
            ("Standard", 1.4),
            ("To be added", 5.0),
            ("By whom", 1.6),
            ("Until", 1.5),
            ("Answer of the year before", 2.0),
        )
        columns = tuple(Column(title=self._word(title), weight=weight) for title, weight in heads)
        title = self._word("Gaps")
        return [Table(key="gaps", title=title, sheet="Gaps", columns=columns, rows=tuple(rows))] if rows else []

    def findings(self) -> list[Finding]:
        """Findings of the pack: required gaps, answers beside a figure, unchecked identifiers."""
        needed = [each.id for each in gaps_of(self.data) if each.required]
        found = []
        if needed:
            message = Sentence("Required data points are missing: {0}.", _named(needed))
            found.append(_finding("disclosure_gap", message, "blocking", data_points=len(needed)))
        if self._unused:
            message = Sentence("Answers that are not used, since readings give the figure: {0}.", _named(self._unused))
            found.append(_finding("answer_beside_figure", message, "warning", data_points=len(self._unused)))
        of, checked = f"{self.framework.name} {self.framework.edition}", self.framework.checked
        if checked is None and not self.framework.is_own:
            message = Sentence("The identifiers of {0} were compared with no public source.", of)
            found.append(_finding("identifiers_unchecked", message, "warning"))
        elif checked is not None and checked.without:
            message = Sentence("Identifiers of {0} that no public source shows: {1}.", of, _named(checked.without))
            found.append(_finding("identifiers_unchecked", message, "warning", data_points=len(checked.without)))
        return found

    def _answered(self, point: DatumSpec) -> list[tuple[Datum, Cell]]:
        """The rows of a data point: one, or of a table one for each item."""
        period = self.ask.given.period
        items = [self.write.whole] if point.each is None else self.ask.items(point.each, period)
        figures = [(item, self.ask.figure(point, item)) for item in items] if point.questions else []
        answer = self._answers.get(point.key)
        if figures and not any(_gap(figure) for _, figure in figures):
            if answer is not None:
                self._unused.append(point.key)
        elif answer is not None:
            return [self._by_organisation(point, answer)]
        return [self._by_figure(point, *each) for each in figures] or [self._missing(point, "", NOBODY_KNOWS)]

    def _by_figure(self, point: DatumSpec, item: Item, figure: Figure) -> tuple[Datum, Cell]:
        name = item.label if point.each is not None else ""
        if code := _gap(figure):
            return self._missing(point, name, SENTENCES.get(code, words(code)))
        shared = self._shared(point) | {"item": name, "source": "figure", "figure_id": figure.figure_id}
        if point.fact is not None:
            text, tone = self.ask.fact(point.fact, item)
            return Datum(**shared, value=text), Cell(text=text, tone=tone)
        unit = "%" if point.percent else word(unit_text(figure.unit), self.write.language)
        return Datum(**shared, value=figure.value, unit=unit), self.write.shown(point, figure)

    def _by_organisation(self, point: DatumSpec, answer: DisclosureAnswer) -> tuple[Datum, Cell]:
        given, locale = self.ask.given, self.ask.given.locale
        shared = self._shared(point) | {
            "author": given.person(answer.author), "at": answer.at, "evidence": answer.evidence,
            "is_signed": bool(answer.signed_sha256),
        }  # fmt: skip
        if answer.not_applicable:
            made = Datum(**shared, source="not_applicable", reason=answer.not_applicable)
            return made, plain(MISSING)
        value = answer.text if answer.value is None else answer.value
        made = Datum(**shared, source="organisation", value=value, unit=answer.unit)
        # As it was given: how many digits an answer has is the organisation's to say.
        exponent = 0 if answer.value is None else answer.value.as_tuple().exponent
        decimals = max(0, -exponent) if isinstance(exponent, int) else 0
        text = answer.text if answer.value is None else format_number(answer.value, decimals=decimals, locale=locale)
        return made, plain(text)

    def _missing(self, point: DatumSpec, item: str, reason: str) -> tuple[Datum, Cell]:
        before = self._before.get(point.key)
        due: date = months_after(self.ask.given.period.end, self.framework.due_months)
        who = chosen(point.who, self.write.language) if point.who else self._word(ENERGY_MANAGER)
        made = Datum(
            **self._shared(point), item=item, source="missing", reason=self._word(reason), who=who, by=due,
            offered="" if before is None else before.answer_text,
        )  # fmt: skip
        return made, plain(MISSING)

    def _shared(self, point: DatumSpec) -> dict[str, Any]:
        return {
            "framework": self.framework.name, "edition": self.framework.edition, "id": point.id,
            "part": point.part or "", "kind": point.kind, "required": point.required,
            "label": chosen(point.labels, self.write.language),
        }  # fmt: skip

    def _row(self, datum: Datum, cell: Cell, *, has_unit: bool) -> Row:
        label = f"{datum.label}: {datum.item}" if datum.item else datum.label
        unit = [plain(datum.unit)] if has_unit else []
        return Row(cells=(plain(datum.id), plain(label), cell, *unit, self._source(datum)))

    def _source(self, datum: Datum) -> Cell:
        """Source of the answer, with its author and evidence."""
        source = self._word(datum.source.replace("_", " "))
        if datum.source == "missing":
            return plain(source, "bad" if datum.required else "muted")
        at = "" if datum.at is None else long_date(datum.at, self.write.language)
        kept = self._word("signed" if datum.is_signed else "unsigned") if datum.author else ""
        return plain(", ".join(each for each in (source, datum.reason, datum.author, at, kept, datum.evidence) if each))

    def _table(self, key: str, title: str, sheet: str, rows: Sequence[Row], *, has_unit: bool) -> Table:
        columns = [Column(title=self._word("Standard"), weight=1.4), Column(title=self._word("Data point"), weight=4)]
        if has_unit:
            columns += [
                Column(title=self._word("Value"), is_number=True, weight=1.4),
                Column(title=self._word("Unit"), weight=1.2),
            ]
        else:
            columns.append(Column(title=self._word("Answer"), weight=4))
        columns.append(Column(title=self._word("Source"), weight=2))
        return Table(key=key, title=title, sheet=sheet, columns=tuple(columns), rows=tuple(rows))

    def _word(self, text: str) -> str:
        return word(text, self.write.language)

    def _worded(self, text: Sentence) -> str:
        return page_word(text, self.write.language)


def _gap(figure: Figure) -> str:
    """Code of why a figure is no answer: it has no value, or is a zero that no meter measured. Empty of an answer."""
    if figure.value is None:
        return figure.status
    return next((code for code in figure.findings if code in NOT_COUNTED and not figure.value), "")


def _named(ids: Sequence[str]) -> str:
    """The first few identifiers, and how many more there are."""
    more, first = len(ids) - MOST_NAMED, ", ".join(ids[:MOST_NAMED])
    return Sentence("{0} and {1} more", first, more) if more > 0 else first


def _finding(code: str, message: str, severity: Literal["blocking", "warning"], **facts: int) -> Finding:
    return Finding(code=code, message=message, severity=severity, facts=facts)
