"""Blocks of a template as content: tiles, tables over an axis or of single rows, charts, paragraphs."""

from collections.abc import Sequence
from decimal import Decimal

from data_quality.contracts.figure import Figure
from data_quality.contracts.report_template import Asked, ChartSpec, ColumnSpec, TableSpec, TextSpec, TileSpec
from reports.content.enpi_figures import as_number
from reports.content.model import Block, Cell, Chart, Column, Paragraph, Row, Series, Table, Tile, Tiles
from reports.content.template_ask import Asker
from reports.content.writer import Writer, energy_decimals, plain
from reports.datasets.base import Item
from reports.texts.locales import chosen, period_text, word
from reports.texts.numbers import MISSING, unit_text

WAIVED = "w"
MARK_TEXTS = {WAIVED: "w: a finding against this baseline was waived in writing at its approval."}


class BlockWriter:
    """Writes one report's blocks in its locale."""

    def __init__(self, ask: Asker, waived: frozenset[str]) -> None:
        self.ask, self.waived = ask, waived
        self.locale = ask.given.site.locale
        self.write = Writer(self.locale)

    def tiles(self, specs: Sequence[TileSpec]) -> list[Block]:
        """Headline figures, at most five a row."""
        made: list[Tile] = []
        for spec in specs:
            figure = self._whole(spec)
            if spec.optional and figure.value is None:
                continue
            text = self._cell(spec, figure, self._decimals(spec, [figure])).text
            unit = "%" if spec.percent else unit_text(figure.unit)
            made.append(
                Tile(
                    label=chosen(spec.labels, self.locale),
                    text=text.removesuffix(" %") if spec.percent else text,
                    unit=unit,
                    note=chosen(spec.notes, self.locale) if spec.notes else "",
                    figure_id=figure.figure_id,
                )
            )
        rows = -(-len(made) // 5)
        size = -(-len(made) // rows) if rows else 1
        return [Tiles(tiles=tuple(made[at : at + size])) for at in range(0, len(made), size)]

    def table(self, spec: TableSpec) -> list[Block]:
        """The table, or one for each use or bill where it stands `per` one; none without rows."""
        if spec.rows:
            return [self._single_rows(spec)]
        if spec.per is None:
            found = self._over_axis(spec, spec.key, chosen(spec.titles, self.locale), None)
            return [] if found is None else [found]
        tables = []
        for item in self.ask.items(spec.per, self.ask.given.period):
            title = chosen(spec.titles, self.locale).replace("{item}", item.label)
            tables.append(self._over_axis(spec, f"{spec.key}/{item.key}", title, item))
        return [table for table in tables if table is not None]

    def chart(self, spec: ChartSpec) -> list[Block]:
        """The chart, or one for each use; none where nothing but zeros is known."""
        if spec.per is None:
            return self._chart(spec, spec.key, chosen(spec.titles, self.locale), None)
        return [
            block
            for item in self.ask.items(spec.per, self.ask.given.period)
            for block in self._chart(
                spec, f"{spec.key}/{item.key}", chosen(spec.titles, self.locale).replace("{item}", item.label), item
            )
        ]

    def paragraph(self, spec: TextSpec) -> list[Block]:
        """The sentence with its figures, or nothing where one of them is unknown."""
        figures = {name: self._whole(asked) for name, asked in spec.figures.items()}
        if any(figure.value is None for figure in figures.values()):
            return []
        given = self.ask.given
        text = chosen(spec.texts, self.locale)
        span = period_text(given.period.start, given.period.end, self.locale)
        words = {"site": given.site.name, "period": span}
        for name, figure in figures.items():
            asked = spec.figures[name]
            shown = self._cell(asked, figure, self._decimals(asked, [figure])).text
            unit = "" if asked.percent else unit_text(figure.unit)
            words[name] = f"{shown} {unit}".strip()
        for name, shown in words.items():
            text = text.replace("{" + name + "}", shown)
        return [Paragraph(text=text, tone=spec.tone, figure_ids=tuple(f.figure_id for f in figures.values()))]

    def _whole(self, asked: Asked) -> Figure:
        given = self.ask.given
        return self.ask.asked(asked, Item(key="", label="", scope=given.scope, period=given.period))

    def _single_rows(self, spec: TableSpec) -> Table:
        rows, marks = [], set()
        has_ids = any(row.identifier for row in spec.rows)
        for each in spec.rows:
            figure = self._whole(each)
            if each.optional and figure.value is None:
                continue
            cell = self._marked(self._cell(each, figure, self._decimals(each, [figure])), figure)
            marks |= set(cell.mark)
            unit = "" if each.percent else unit_text(figure.unit)
            words = [plain(chosen(each.labels, self.locale)), cell, plain(unit)]
            rows.append(Row(cells=(plain(each.identifier), *words) if has_ids else tuple(words)))
        heads = [
            Column(title=chosen(spec.labels, self.locale) or word("Figure", self.locale), weight=5),
            Column(title=word("Value", self.locale), is_number=True, weight=1.4),
            Column(title=word("Unit", self.locale), weight=1.2),
        ]
        if has_ids:
            heads.insert(0, Column(title=word("Standard", self.locale), weight=1.4))
        return self._made(spec, spec.key, chosen(spec.titles, self.locale), heads, rows, marks)

    def _over_axis(self, spec: TableSpec, key: str, title: str, about: Item | None) -> Table | None:
        assert spec.each is not None  # noqa: S101 - the contract: columns go with an axis
        items = self._items(spec.each, about)
        if not items:
            return None
        whole = None
        if spec.totals is not None:
            whole = about or Item(key="", label="", scope=self.ask.given.scope, period=self.ask.given.period)
        heads = [Column(title=chosen(spec.labels, self.locale), weight=2)]
        columns: list[list[Cell]] = [[plain(item.label) for item in items]]
        if spec.totals is not None:
            columns[0].append(plain(chosen(spec.totals, self.locale)))
        for column in spec.columns:
            made = self._column(column, items, whole)
            if made is not None:
                heads.append(made[0])
                columns.append(made[1])
        marks = {letter for cells in columns for cell in cells for letter in cell.mark}
        rows = [
            Row(cells=tuple(cells[index] for cells in columns), is_total=index >= len(items))
            for index in range(len(columns[0]))
        ]
        return self._made(spec, key, title, heads, rows, marks)

    def _column(self, spec: ColumnSpec, items: Sequence[Item], whole: Item | None) -> tuple[Column, list[Cell]] | None:
        title = chosen(spec.titles, self.locale)
        if spec.fact is not None:
            facts = [self.ask.fact(spec.fact, item) for item in items]
            cells = [plain(text, tone) for text, tone in facts] + ([plain("")] if whole is not None else [])
            return Column(title=title, weight=spec.weight), cells
        figures = [self.ask.asked(spec, item) for item in items]
        total = None if whole is None else self._total(spec, items, figures, whole)
        shown = [*figures, *([total] if total is not None else [])]
        if spec.optional and all(figure.value is None for figure in shown):
            return None
        decimals = self._decimals(spec, shown)
        cells = [self._marked(self._cell(spec, figure, decimals), figure) for figure in figures]
        if whole is not None:
            cells.append(plain(MISSING) if total is None else self._marked(self._cell(spec, total, decimals), total))
        units = {figure.unit for figure in shown}
        unit = unit_text(next(iter(units))) if len(units) == 1 and not spec.percent else ""
        if len(units) > 1:
            # Amounts of several currencies stand in one column, each with its own.
            cells = [self._with_unit(cell, figure) for cell, figure in zip(cells, shown, strict=False)] + cells[
                len(shown) :
            ]
        return Column(title=title, unit=unit, is_number=True, weight=spec.weight), cells

    def _total(self, spec: ColumnSpec, items: Sequence[Item], figures: Sequence[Figure], whole: Item) -> Figure | None:
        """What the span or the site as a whole has; of things that are no parts of it, nothing is added up."""
        if all(item.scope == whole.scope for item in items) or self._is_known(spec, items, whole):
            return self.ask.asked(spec, whole)
        return None

    def _is_known(self, spec: ColumnSpec, items: Sequence[Item], whole: Item) -> bool:
        """True for datasets whose rows make up the site: bills of a site, carriers of an inventory."""
        kinds = {item.scope.partition(":")[0] for item in items}
        return whole.scope.startswith("site:") and kinds <= {"bill", "carrier"}

    def _items(self, axis: str, about: Item | None) -> list[Item]:
        found = self.ask.items(axis, self.ask.given.period)
        if about is None:
            return found
        if axis in {"month", "quarter", "year", "last_three_years"}:
            return [Item(key=each.key, label=each.label, scope=about.scope, period=each.period) for each in found]
        return [each for each in found if each.scope == about.scope or each.scope.startswith(f"{about.scope}/")]

    def _chart(self, spec: ChartSpec, key: str, title: str, about: Item | None) -> list[Block]:
        items = self._items(spec.each, about)
        series, unit, shown = [], "", []
        for each in spec.series:
            figures = [self.ask.asked(each, item) for item in items]
            unit = unit_text(figures[0].unit) if figures else ""
            shown += [figure.figure_id for figure in figures if figure.value is not None]
            series.append(
                Series(
                    name=chosen(each.names, self.locale),
                    role=each.role,
                    values=tuple(as_number(figure.value) for figure in figures),
                )
            )
        # A series of nothing but holes would stand in the legend alone.
        series = [each for each in series if any(value is not None for value in each.values)]
        if not any(value for each in series for value in each.values):
            return []
        is_span = bool(items) and len({item.scope for item in items}) == 1
        names = [
            period_text(item.period.start, item.period.end, self.locale, is_short=True) if is_span else item.label
            for item in items
        ]
        return [
            Chart(
                key=key, title=title, unit=unit, shape=spec.shape, categories=tuple(names), series=tuple(series),
                locale=self.locale, figure_ids=tuple(shown),
            )
        ]  # fmt: skip

    def _made(
        self, spec: TableSpec, key: str, title: str, heads: Sequence[Column], rows: Sequence[Row], marks: set[str]
    ) -> Table:
        notes = [chosen(spec.notes, self.locale)] if spec.notes else []
        notes += [word(MARK_TEXTS[letter], self.locale) for letter in sorted(marks)]
        return Table(
            key=key, title=title, sheet=spec.sheet, columns=tuple(heads), rows=tuple(rows), note=" ".join(notes)
        )

    def _cell(self, asked: Asked | ColumnSpec, figure: Figure, decimals: int) -> Cell:
        if asked.percent:
            return self.write.percent(figure, decimals)
        return self.write.number(figure, decimals, signed=asked.signed)

    def _with_unit(self, cell: Cell, figure: Figure) -> Cell:
        return cell.model_copy(update={"text": f"{cell.text} {unit_text(figure.unit)}"})

    def _marked(self, cell: Cell, figure: Figure) -> Cell:
        is_waived = figure.value is not None and figure.scope.partition("/")[0] in self.waived
        return cell.model_copy(update={"mark": WAIVED}) if is_waived else cell

    def _decimals(self, asked: Asked | ColumnSpec, figures: Sequence[Figure]) -> int:
        if isinstance(asked.decimals, int):
            return asked.decimals
        if asked.percent:
            return 1
        if isinstance(asked, Asked | ColumnSpec) and asked.combine is None and asked.unit is None:
            fixed = self.ask.measure_of(asked.value or "").decimals
            if fixed is not None:
                return fixed
        if asked.combine in {"percent_of", "deviation_percent"}:
            return 1
        values: list[Decimal | None] = [figure.value for figure in figures]
        largest = max((abs(value) for value in values if value is not None), default=Decimal(0))
        if largest and largest < 1:
            return 4
        return energy_decimals(values)
