"""Blocks of a template as content: tiles, tables over an axis or of single rows, paragraphs."""

from collections.abc import Sequence
from decimal import Decimal

from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.reporting.report_template import (
    ChartSpec,
    ColumnSpec,
    FactBlock,
    NumberSpec,
    RowSpec,
    TableSpec,
    Texts,
    TextSpec,
    TileSpec,
)
from reports.content.template_charts import ChartWriter, items_about
from reports.datasets.base import Item
from reports.datasets.template_queries import TemplateQueries
from reports.report_content import Block, Cell, Column, Paragraph, Row, Table, Tile, Tiles
from reports.texts.locales import MISSING, chosen, energy_decimals, period_text, unit_text, word
from reports.writer import Writer, plain

WAIVED = "w"
MARK_TEXTS = {WAIVED: "w: a finding against this baseline was waived in writing at its approval."}


class BlockWriter:
    """Writes one report's blocks: words in the report's language, numbers as the site's locale writes them."""

    def __init__(self, ask: TemplateQueries, waived: frozenset[str]) -> None:
        self.ask, self.waived = ask, waived
        self.language = ask.language
        self.write = Writer(ask.given.locale)
        self.whole = Item(key="", label="", scope=ask.given.scope, period=ask.given.period)
        self.draw = ChartWriter(ask, self.whole)

    def tiles(self, specs: Sequence[TileSpec]) -> list[Block]:
        """Headline figures, at most five a row."""
        made: list[Tile] = []
        for spec in specs:
            figure = self._whole(spec)
            if spec.optional and figure.value is None:
                continue
            text = self._cell(spec, figure, self._decimals(spec, [figure], [self.whole])).text
            unit = "%" if spec.percent else word(unit_text(figure.unit), self.language)
            made.append(
                Tile(
                    label=chosen(spec.labels, self.language),
                    # A tile has its unit below the number.
                    text=text.removesuffix(" %") if spec.percent else text,
                    unit=unit,
                    note=chosen(spec.notes, self.language) if spec.notes else "",
                    figure_id=figure.figure_id,
                )
            )
        # Rows of equal length: six tiles stand three and three, not five and one.
        rows = -(-len(made) // 5)
        size = -(-len(made) // rows) if rows else 1
        return [Tiles(tiles=tuple(made[at : at + size])) for at in range(0, len(made), size)]

    def per_item(self, spec: TableSpec | ChartSpec | TextSpec) -> list[Block]:
        """The block, or one for each thing that it stands `per`; none where it has nothing to say."""
        abouts = [None] if spec.per is None else self.ask.items(spec.per, self.ask.given.period)
        made: list[Block] = []
        for about in abouts:
            if isinstance(spec, TextSpec):
                made += self._paragraph(spec, about)
                continue
            key = spec.key if about is None else f"{spec.key}/{about.key}"
            title = self._text(spec.titles, spec, about)
            if isinstance(spec, ChartSpec):
                note = self._text(spec.notes, spec, about) if spec.notes else ""
                made += self.draw.chart(spec, key=key, title=title, note=note, about=about)
            else:
                made += [self._single_rows(spec)] if spec.rows else self._over_axis(spec, key, title, about)
        return made

    def _text(self, texts: Texts, spec: FactBlock, about: Item | None = None) -> str:
        """The text with what it names in braces: the item that the block stands per, and its facts."""
        text = chosen(texts, self.language)
        if about is not None:
            text = text.replace("{item}", about.label)
        for name, question in spec.facts.items():
            if (place := "{" + name + "}") in text:
                text = text.replace(place, self.ask.fact(question, about or self.whole)[0])
        return text

    def _paragraph(self, spec: TextSpec, about: Item | None) -> list[Block]:
        """The sentence with its figures, or nothing where one of them is unknown."""
        item = about or self.whole
        figures = {name: self.ask.figure(figure_spec, item) for name, figure_spec in spec.figures.items()}
        if any(figure.value is None for figure in figures.values()):
            return []
        given = self.ask.given
        text = self._text(spec.texts, spec, about)
        span = period_text(given.period.start, given.period.end, self.language)
        words = {"site": given.site.name, "period": span}
        for name, figure in figures.items():
            figure_spec = spec.figures[name]
            shown = self._cell(figure_spec, figure, self._decimals(figure_spec, [figure], [item])).text
            unit = "" if figure_spec.percent else word(unit_text(figure.unit), self.language)
            words[name] = f"{shown} {unit}".strip()
        # Replaced and not formatted: names of sites and uses come from people, and may hold braces.
        for name, shown in words.items():
            text = text.replace("{" + name + "}", shown)
        # A fact may have nothing to say.
        if not text.strip():
            return []
        return [Paragraph(text=text, tone=spec.tone, figure_ids=tuple(f.figure_id for f in figures.values()))]

    def _whole(self, spec: NumberSpec) -> Figure:
        return self.ask.figure(spec, self.whole)

    def _single_rows(self, spec: TableSpec) -> Table:
        rows, marks = [], set()
        has_ids = any(row.identifier for row in spec.rows)
        for each in spec.rows:
            figure = self._whole(each)
            if each.optional and figure.value is None:
                continue
            cells = self._row(each, figure, has_ids=has_ids, has_units=spec.has_units)
            marks |= {letter for cell in cells for letter in cell.mark}
            rows.append(Row(cells=cells))
        title = chosen(spec.labels, self.language) or word("Figure", self.language)
        heads = [
            Column(title=title, weight=spec.weight or 5),
            Column(title=word("Value", self.language), is_number=True, weight=1.4 if spec.has_units else 1),
        ]
        if spec.has_units:
            heads.append(Column(title=word("Unit", self.language), weight=1.2))
        if has_ids:
            heads.insert(0, Column(title=word("Standard", self.language), weight=1.4))
        return self._made(spec, spec.key, chosen(spec.titles, self.language), heads, rows, marks)

    def _row(self, spec: RowSpec, figure: Figure, *, has_ids: bool, has_units: bool) -> tuple[Cell, ...]:
        cell = self.shown(spec, figure)
        return (
            *([plain(spec.identifier)] if has_ids else []),
            plain(chosen(spec.labels, self.language)),
            cell,
            *([plain("" if spec.percent else word(unit_text(figure.unit), self.language))] if has_units else []),
        )

    def shown(self, spec: NumberSpec, figure: Figure) -> Cell:
        """A figure as the cell of a row of its own."""
        return self._marked(self._cell(spec, figure, self._decimals(spec, [figure], [self.whole])), figure)

    def _over_axis(self, spec: TableSpec, key: str, title: str, about: Item | None) -> list[Table]:
        assert spec.each is not None  # noqa: S101 - the contract: columns go with an axis
        items = items_about(self.ask, spec.each, about)
        if not items and not spec.is_kept:
            return []
        below = [] if spec.sums is None else items_about(self.ask, spec.sums, about)
        whole = None if spec.totals is None else about or self.whole
        heads = [Column(title=chosen(spec.labels, self.language), weight=spec.weight or 2)]
        columns: list[list[Cell]] = [[plain(item.label) for item in [*items, *below]]]
        if spec.totals is not None:
            columns[0].append(plain(chosen(spec.totals, self.language)))
        for column in spec.columns:
            made = self._column(spec, column, items, below, whole)
            if made is not None:
                heads.append(made[0])
                columns.append(made[1])
        marks = {letter for cells in columns for cell in cells for letter in cell.mark}
        rows = [
            Row(cells=tuple(cells[index] for cells in columns), is_total=index >= len(items))
            for index in range(len(columns[0]))
        ]
        if spec.each == "last_three_years":
            # Rows from the first on of which anything is known: a site of one year has nothing to say of two before it.
            figures = self.ask.book.by_id
            known = [any(figures(cell.figure_id).value for cell in row.cells if cell.figure_id) for row in rows]
            rows = rows[known.index(True) :] if True in known else rows
        return [self._made(spec, key, title, heads, rows, marks)]

    def _column(
        self, table: TableSpec, spec: ColumnSpec, items: Sequence[Item], below: Sequence[Item], whole: Item | None
    ) -> tuple[Column, list[Cell]] | None:
        title = chosen(spec.titles, self.language)
        named = None if spec.units is None else self._text(spec.units, table)
        if spec.fact is not None:
            cells = [plain(*self.ask.fact(spec.fact, item)) for item in items] + [plain("") for _ in below]
            if whole is not None:
                cells.append(plain(*self.ask.fact(spec.fact, whole)) if spec.in_totals else plain(""))
            return Column(title=title, unit=named or "", weight=spec.weight), cells
        figures = [self.ask.figure(spec, item) for item in [*items, *(below if spec.is_summed else [])]]
        total = None if whole is None else self._total(spec, items, figures, whole)
        shown = [*figures, *([total] if total is not None else [])]
        if spec.optional and all(figure.value is None for figure in shown):
            return None
        # One for the column, its total among them: points must stand below each other.
        decimals = self._decimals(spec, shown, items if whole is None else [whole])
        cells = [self._marked(self._cell(spec, figure, decimals), figure) for figure in figures]
        cells += [plain(MISSING) for _ in range(len(items) + len(below) - len(figures))]
        if whole is not None:
            cells.append(plain(MISSING) if total is None else self._marked(self._cell(spec, total, decimals), total))
        units = {figure.unit for figure in shown}
        unit = word(unit_text(next(iter(units))), self.language) if len(units) == 1 and not spec.percent else ""
        if len(units) > 1:
            # Amounts of several currencies stand in one column, each with its own.
            cells = [self._with_unit(cell, figure) for cell, figure in zip(cells, shown, strict=False)] + cells[
                len(shown) :
            ]
        return Column(title=title, unit=unit if named is None else named, is_number=True, weight=spec.weight), cells

    def _total(self, spec: ColumnSpec, items: Sequence[Item], figures: Sequence[Figure], whole: Item) -> Figure | None:
        """Total of the span or the site; of things that are no parts of it, nothing is added up."""
        if all(item.scope == whole.scope for item in items) or self._is_known(spec, items, whole):
            return self.ask.figure(spec, whole)
        return None

    def _is_known(self, spec: ColumnSpec, items: Sequence[Item], whole: Item) -> bool:
        """True for datasets whose rows make up the site: bills, carriers of an inventory, events, measures."""
        kinds = {item.scope.partition(":")[0] for item in items}
        return whole.scope.startswith("site:") and kinds <= {"bill", "carrier", "event", "measure"}

    def _made(
        self, spec: TableSpec, key: str, title: str, heads: Sequence[Column], rows: Sequence[Row], marks: set[str]
    ) -> Table:
        notes = [self._text(spec.notes, spec)] if spec.notes else []
        notes += [word(MARK_TEXTS[letter], self.language) for letter in sorted(marks)]
        return Table(
            key=key, title=title, sheet=spec.sheet, columns=tuple(heads), rows=tuple(rows), note=" ".join(notes)
        )

    def _cell(self, spec: NumberSpec, figure: Figure, decimals: int) -> Cell:
        if spec.percent:
            return self.write.percent(figure, decimals)
        if spec.probability:
            return self.write.probability(figure)
        # The words around it say "less" or "more": a sign would say it twice, or the opposite.
        if spec.is_size and figure.value is not None:
            figure = figure.model_copy(update={"value": abs(figure.value)})
        return self.write.number(figure, decimals, signed=spec.signed)

    def _with_unit(self, cell: Cell, figure: Figure) -> Cell:
        return cell.model_copy(update={"text": f"{cell.text} {word(unit_text(figure.unit), self.language)}"})

    def _marked(self, cell: Cell, figure: Figure) -> Cell:
        is_waived = figure.value is not None and figure.scope.partition("/")[0] in self.waived
        return cell.model_copy(update={"mark": WAIVED}) if is_waived else cell

    def _decimals(self, spec: NumberSpec, figures: Sequence[Figure], scaled: Sequence[Item]) -> int:
        """scaled: the items by whose size a question with a scale of its own is written."""
        if isinstance(spec.decimals, int):
            return spec.decimals
        if spec.scale:
            return energy_decimals([self.ask.question(text, item).value for text in spec.scale for item in scaled])
        if spec.percent:
            return 1
        if spec.combine is None and spec.unit is None:
            fixed = self.ask.measure_of(spec.value or "").decimals
            if fixed is not None:
                return fixed
        if spec.combine in {"percent_of", "deviation_percent"}:
            return 1
        values: list[Decimal | None] = [figure.value for figure in figures]
        largest = max((abs(value) for value in values if value is not None), default=Decimal(0))
        # Two decimals would leave nothing of it.
        if largest and largest < 1 and spec.decimals == "auto":
            return 4
        return energy_decimals(values)
