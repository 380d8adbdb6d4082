"""A report as data: its name, periods, sections and blocks, whose cells ask named datasets. Texts stand per locale.

A question reads `dataset.measure`, for one thing of the site `dataset.measure[meter:main]`, for another span
`dataset.measure@year_before` or `@previous`. Which datasets and measures there are is known to the reports.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Literal, NamedTuple, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.text import twice_in

_QUESTION = re.compile(
    r"^(?P<dataset>[a-z_]+)\.(?P<measure>[a-z0-9_]+)(?:\[(?P<scope>[a-z_]+:[^\]\s]+)\])?(?:@(?P<shift>[a-z_]+))?$"
)
T = TypeVar("T")
SHIFTS = ("previous", "year_before")
PeriodKind = Literal["day", "month", "quarter", "year"]
Axis = Literal[
    "month", "quarter", "year", "last_three_years", "meter", "seu", "carrier", "bill", "baseline", "coefficient",
    "line", "project", "plan", "adjustment", "carrier_sum", "day", "hour", "month_of_year", "unassessed",
    "event", "method", "settled", "step", "quarter_hour", "approval", "command", "arm", "look", "drawn", "measure",
    "target", "year_ahead", "site",
]  # fmt: skip
# Things of which each may have a table, chart or sentence of its own.
Per = Literal["seu", "bill", "carrier_sum"]
Tone = Literal["plain", "good", "caution", "bad", "muted"]


class Question(NamedTuple):
    """A question in its parts; scope and shift may be empty."""

    dataset: str
    measure: str
    scope: str
    shift: str


def parse_question(text: str) -> Question:
    """The parts of a question. Raises ValueError saying how one reads."""
    found = _QUESTION.match(text)
    if found is None:
        raise ValueError("expected dataset.measure, dataset.measure[scope:name] or dataset.measure@year_before")
    shift = found["shift"] or ""
    if shift and shift not in SHIFTS:
        raise ValueError(f"unknown span {shift!r}; there are {', '.join(SHIFTS)}")
    return Question(found["dataset"], found["measure"], found["scope"] or "", shift)


def _question(text: str) -> str:
    parse_question(text)
    return text


def _texts(given: object) -> object:
    """One text stands for English."""
    return {"en": given} if isinstance(given, str) else given


def _has_english(given: dict[str, str]) -> dict[str, str]:
    if "en" not in given:
        raise ValueError("a text needs an English form ('en'), which other locales fall back to")
    return given


def _sheet(name: str) -> str:
    # Length and signs are Excel's own rules; a workbook's list of all figures is called Figures already.
    if name and (len(name) > 31 or set(name) & set("[]:*?/\\") or name.lower() == "figures"):
        raise ValueError("a sheet's name has at most 31 characters, none of []:*?/\\, and is not 'Figures'")
    return name


def _some(given: tuple[T, ...]) -> tuple[T, ...]:
    """At least one. A bound of the field itself would be reported too wherever an item of it is wrong."""
    if not given:
        raise ValueError("expected at least one")
    return given


Texts = Annotated[dict[str, str], BeforeValidator(_texts), AfterValidator(_has_english)]
QuestionText = Annotated[str, AfterValidator(_question)]
SheetName = Annotated[str, AfterValidator(_sheet)]
Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,63}$")]


class NumberSpec(Model):
    """One number: a question, or what is made of several; how it is shown."""

    value: QuestionText | None = None
    combine: Literal["sum", "difference", "ratio", "percent_of", "deviation_percent"] | None = None
    of: tuple[QuestionText, ...] = ()
    unit: Literal["GJ", "MWh", "t"] | None = Field(default=None, description="Shown in another unit, exactly converted")
    decimals: int | Literal["auto", "energy"] = "auto"
    scale: tuple[QuestionText, ...] = Field(default=(), description="Decimals by the size of these, not by its own")
    signed: bool = False
    is_size: bool = Field(default=False, description="Without its sign: the sentence says the direction")
    percent: bool = Field(default=False, description="A share 0-1 shown as percent")
    probability: bool = Field(default=False, description="A p-value: a small one says that it is smaller")
    optional: bool = Field(default=False, description="Left out where nothing is known")

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        self._refuse_two_things()
        return self

    def _refuse_two_things(self) -> None:
        if (self.value is None) == (self.combine is None):
            raise ValueError("give either `value`, or `combine` with `of`")
        # A sum takes any number; a difference, ratio or share is of two.
        wanted = {"sum": 1, None: 0}.get(self.combine, 2)
        is_few = len(self.of) < wanted or (wanted != 1 and len(self.of) != wanted)
        if is_few:
            raise ValueError(
                f"`of` of {self.combine or 'a plain value'} needs {wanted} questions, it has {len(self.of)}"
            )
        if isinstance(self.decimals, int) and not 0 <= self.decimals <= 9:
            raise ValueError(f"decimals are 0 to 9, got {self.decimals}")

    @property
    def questions(self) -> tuple[str, ...]:
        """All questions behind the number, and behind how it is shown."""
        return (*(self.of if self.value is None else (self.value,)), *self.scale)


class TileSpec(NumberSpec):
    """A headline figure."""

    labels: Texts
    notes: Texts | None = None


class ColumnSpec(NumberSpec):
    """A table column: a number of each row, or a fact of it in words."""

    titles: Texts
    units: Texts | None = Field(default=None, description="Under the title, instead of the figures' own unit")
    fact: QuestionText | None = None
    is_summed: bool = Field(default=True, description="Its number stands in the rows of `sums` too")
    in_totals: bool = Field(default=False, description="Its fact is told of the whole too")
    weight: float = Field(default=1.0, gt=0)

    def _refuse_two_things(self) -> None:
        if self.fact is None:
            super()._refuse_two_things()
        elif self.value is not None or self.combine is not None:
            raise ValueError("a column is a `fact` in words or a number, not both")

    @property
    def questions(self) -> tuple[str, ...]:
        """As of a number; of a fact, the fact."""
        return super().questions if self.fact is None else (self.fact,)


class RowSpec(NumberSpec):
    """A row of a table without an axis: words, then its number."""

    labels: Texts
    identifier: str = Field(default="", description="What another standard calls it, e.g. GRI 302-1-e")


class DatumSpec(NumberSpec):
    """A data point of a framework: its identifier, our own words for it, and the question that answers it.

    Without a question the organisation answers it, in `answered_in` or `unit`. part: which of several under one
    identifier. fact: words that the house knows; `value` is then the figure whose trace holds what they name.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9(][A-Za-z0-9().: -]{0,39}$")
    part: Key | None = None
    labels: Texts
    kind: Literal["figure", "table", "text", "choice"] = "figure"
    each: Axis | None = Field(default=None, description="Of a table: a row for each")
    answered_in: str = Field(default="", max_length=20, description="Unit of an answer where `unit` does not say it")
    fact: QuestionText | None = None
    choices: tuple[Key, ...] = ()
    required: bool = True
    who: Texts | None = Field(default=None, description="Who must answer it; by default the energy manager")

    def _refuse_two_things(self) -> None:
        if self.value is not None or self.combine is not None or self.of:
            super()._refuse_two_things()
        if (self.kind == "table") != (self.each is not None) or (self.kind == "table" and not self.questions):
            raise ValueError("a table has a question and says of what in `each`; nothing else does")
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError("`choices` go with the kind choice")
        if self.kind in {"figure", "table"} and not self.answer_unit:
            raise ValueError("say the unit in `unit` or `answered_in`")
        if self.fact is not None and (self.kind != "text" or self.value is None):
            raise ValueError("a `fact` is of the kind text, with the figure behind it in `value`")

    @property
    def key(self) -> str:
        """The identifier, with its part where it is one of several."""
        return self.id if self.part is None else f"{self.id}/{self.part}"

    @property
    def answer_unit(self) -> str:
        """Unit in which an answer is given; empty of words."""
        return self.answered_in or self.unit or ""

    @property
    def questions(self) -> tuple[str, ...]:
        """As of a number, and the fact."""
        values = super().questions if self.value is not None or self.combine is not None else ()
        return values if self.fact is None else (*values, self.fact)


class DataSpec(Model):
    """A table of data points; those in words stand in a second one below."""

    key: Key
    titles: Texts
    sheet: SheetName = "Data"
    points: Annotated[tuple[DatumSpec, ...], AfterValidator(_some)]


class CheckedSpec(Model):
    """When the identifiers were compared with a public source, and with which. without: those that it does not show."""

    on: date
    source: str = Field(min_length=3, max_length=200)
    without: tuple[str, ...] = ()


class BridgePair(Model):
    """Identifiers of an earlier edition, those of this one that ask the same, and what is different.

    One stands for all that begin with it: 302-1 for 302-1-a and its parts.
    """

    was: tuple[str, ...] = ()
    now: tuple[str, ...] = ()
    notes: Texts | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.was or self.now):
            raise ValueError("a pair names identifiers in `was`, in `now` or in both")
        return self


class BridgeSpec(Model):
    """Bridge from the pack of an earlier edition: its data points next to those of this one."""

    pack: Key
    pairs: Annotated[tuple[BridgePair, ...], AfterValidator(_some)]


def is_of(data_point: str, named: str) -> bool:
    """Is a data point's identifier the one that is named, or one below it?

    >>> is_of("302-1-a", "302-1"), is_of("302-10", "302-1")
    (True, False)
    """
    return data_point == named or (data_point.startswith(named) and not data_point[len(named)].isalnum())


class FrameworkSpec(Model):
    """Framework whose data points a pack answers. It is for periods that begin in [applies_from, until).

    early_from: periods from then on may use it too, where somebody asks for the edition by name. bridge: printed where
    both packs are asked for together. is_own: its identifiers are the pack's own, with no public source to compare.
    """

    name: str = Field(min_length=2, max_length=40)
    edition: str = Field(min_length=1, max_length=20, pattern=r"^[A-Za-z0-9._-]+$")
    applies_from: date
    until: date | None = None
    early_from: date | None = None
    checked: CheckedSpec | None = None
    is_own: bool = False
    due_months: int = Field(default=3, ge=0, le=24, description="Months after the period by which gaps are filled")
    bridge: BridgeSpec | None = None

    @model_validator(mode="after")
    def _dates_rise(self) -> Self:
        if self.until is not None and self.until <= self.applies_from:
            raise ValueError(f"edition {self.edition!r} ends on {self.until}, before it applies")
        if self.early_from is not None and self.early_from >= self.applies_from:
            raise ValueError(f"early_from {self.early_from} is not before applies_from {self.applies_from}")
        return self

    def holds(self, first: date, *, is_early: bool = False) -> bool:
        """True for a period that begins on that day. is_early: it was requested by name."""
        start = self.early_from if is_early and self.early_from else self.applies_from
        return start <= first and (self.until is None or first < self.until)


class FactBlock(Model):
    """A block whose texts may name `{name}`: the facts of `facts`, and the item that it stands `per`."""

    facts: dict[Key, QuestionText] = {}
    per: Per | None = Field(default=None, description="One such block for each; {item} in the title")

    def refuse_unknown_names(self, texts: Iterable[Texts], known: Iterable[str], *, giver: str) -> None:
        """Check that every name in braces has a value. Raises ValueError."""
        named = {name for each in texts for text in each.values() for name in re.findall(r"{([^{}]*)}", text)}
        unknown = sorted(named - set(self.facts) - set(known))
        if unknown:
            raise ValueError(f"the text names {{{unknown[0]}}}, which `{giver}` does not give")


class TableSpec(FactBlock):
    """A table over an axis (`each` with `columns`), or of single rows (`rows`)."""

    key: Key
    titles: Texts
    sheet: SheetName = ""
    each: Axis | None = None
    sums: Axis | None = Field(default=None, description="Rows of another axis below, as sums of those above")
    labels: Texts = Field(default={"en": ""}, description="Head of the first column")
    weight: float | None = Field(default=None, gt=0, description="Width of the first column")
    has_units: bool = Field(default=True, description="Single rows have a column of units")
    is_kept: bool = Field(default=False, description="It stands without rows too")
    columns: tuple[ColumnSpec, ...] = ()
    rows: tuple[RowSpec, ...] = ()
    totals: Texts | None = Field(default=None, description="Label of the total row; without one there is none")
    notes: Texts | None = None

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if bool(self.rows) == bool(self.columns):
            raise ValueError(f"table {self.key!r}: give `rows`, or `each` with `columns`")
        if bool(self.columns) != (self.each is not None):
            raise ValueError(f"table {self.key!r}: `columns` go with `each`")
        texts = [self.titles, *([self.notes] if self.notes else []), *(c.units for c in self.columns if c.units)]
        self.refuse_unknown_names(texts, ["item"], giver="facts")
        return self


class SeriesSpec(Model):
    """One series of a chart."""

    names: Texts
    value: QuestionText
    unit: Literal["GJ", "MWh", "t"] | None = None
    role: Literal["actual", "expected", "third", "fourth"] = "actual"
    has_band: bool = Field(default=False, description="Of days: with the model's band, which the dataset knows")
    is_running: bool = Field(default=False, description="Of days: summed from the first day on")


class ChartSpec(FactBlock):
    """A picture over an axis; over days and hours the numbers are the dataset's own, and no figures.

    waterfall: the year before, the change of each month, this year. heat: a column a day, a row an hour. flows: from
    each item to what the series name. `month_of_year`: the months of three years, a line each.
    """

    key: Key
    titles: Texts
    shape: Literal["bars", "lines", "waterfall", "heat", "flows"] = "bars"
    each: Axis = "month"
    units: Texts | None = None
    notes: Texts | None = None
    sheet: SheetName = Field(default="", description="Where the workbook draws it; without one it does not")
    stands_in_for: Key | None = Field(default=None, description="It stands only where the chart of that key does not")
    is_kept: bool = Field(default=False, description="It stands with what is unknown too")
    series: Annotated[tuple[SeriesSpec, ...], AfterValidator(_some)]

    @model_validator(mode="after")
    def _names_are_given(self) -> Self:
        self.refuse_unknown_names([self.titles], ["item"], giver="facts")
        return self


class TextSpec(FactBlock):
    """A paragraph; `{name}` stands for a figure or a fact. It is left out where one of the figures is unknown."""

    texts: Texts
    figures: dict[Key, NumberSpec] = {}
    tone: Tone = "plain"

    @model_validator(mode="after")
    def _names_are_given(self) -> Self:
        self.refuse_unknown_names([self.texts], [*self.figures, "site", "period"], giver="figures")
        return self


class FindingsSpec(Model):
    """Where the findings stand; without this block they stand at the end of the first section."""

    titles: Texts = {"en": "Findings", "de": "Feststellungen"}
    is_whole: bool = Field(default=False, description="All of them, however long; else the gravest, the rest behind")


_BLOCKS = ("tiles", "table", "chart", "text", "findings", "data")


class BlockSpec(Model):
    """One block: exactly one of its kinds."""

    tiles: tuple[TileSpec, ...] = ()
    table: TableSpec | None = None
    chart: ChartSpec | None = None
    text: TextSpec | None = None
    findings: FindingsSpec | None = None
    data: DataSpec | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        kinds = [name for name in _BLOCKS if getattr(self, name)]
        if len(kinds) != 1:
            raise ValueError(f"a block is one of {', '.join(_BLOCKS)}; this one has {len(kinds)}")
        return self

    @property
    def per_item(self) -> TableSpec | ChartSpec | TextSpec | None:
        """The block, where it is one that may stand for each of several things."""
        return self.table or self.chart or self.text

    @property
    def questions(self) -> tuple[str, ...]:
        """Every question and fact of the block, in order."""
        found = [text for tile in self.tiles for text in tile.questions]
        if self.table is not None:
            found += [text for each in (*self.table.rows, *self.table.columns) for text in each.questions]
        if self.data is not None:
            found += [text for each in self.data.points for text in each.questions]
        if self.chart is not None:
            found += [series.value for series in self.chart.series]
        if self.text is not None:
            found += [text for figure in self.text.figures.values() for text in figure.questions]
        return (*found, *(self.per_item.facts.values() if self.per_item is not None else ()))


class SectionSpec(Model):
    """One part of the report. `starts_page`: on a new page, unless that would leave one half empty."""

    key: Key
    titles: Texts
    starts_page: bool = False
    blocks: Annotated[tuple[BlockSpec, ...], AfterValidator(_some)]


class ReportTemplate(Model):
    """One report template file. `subject`: what it is about; `language`: of its words, whatever the site's locale is.

    `register_form`: identifiers of figures by a number, in the order of printing or of making, or in one paragraph.
    `covers`: one of `periods`, or any whole calendar months, of which those are the usual ones.
    """

    template: Key
    version: int = Field(ge=1)
    titles: Texts
    descriptions: Texts
    periods: Annotated[tuple[PeriodKind, ...], AfterValidator(_some)]
    subject: Literal["site", "seu", "project", "dr_event", "experiment"] = "site"
    covers: Literal["periods", "months"] = "periods"
    language: str | None = Field(default=None, pattern=r"^[a-z]{2}$")
    register_form: Literal["full", "made", "compact"] = "full"
    needs: tuple[Literal["baseline", "bills", "footprint"], ...] = Field(
        default=(), description="Without these there is nothing to report: a blocking finding says so"
    )
    framework: FrameworkSpec | None = Field(default=None, description="Of a pack: whose data points these are")
    sections: Annotated[tuple[SectionSpec, ...], AfterValidator(_some)]

    @property
    def points(self) -> tuple[DatumSpec, ...]:
        """Data points of a pack, in order; of any other template none."""
        blocks = (block.data for section in self.sections for block in section.blocks)
        return tuple(point for each in blocks if each is not None for point in each.points)

    @model_validator(mode="after")
    def _is_a_pack_or_none(self) -> Self:
        if (self.framework is not None) != bool(self.points):
            raise ValueError("`framework` goes with blocks of `data`, and they with it")
        if self.framework is not None and self.periods != ("year",):
            raise ValueError("a pack is of whole years: `periods: [year]`")
        if twice := twice_in([point.key for point in self.points]):
            raise ValueError(f"data point {twice[0]!r} appears twice; tell them apart by `part`")
        bridge = None if self.framework is None else self.framework.bridge
        for named in () if bridge is None else (name for pair in bridge.pairs for name in pair.now):
            if not any(is_of(point.id, named) for point in self.points):
                raise ValueError(f"bridge: {named!r} is no data point of this pack")
        return self

    @model_validator(mode="after")
    def _keys_stand_once(self) -> Self:
        sections = [section.key for section in self.sections]
        blocks = [block for section in self.sections for block in section.blocks]
        tables = [made.key for each in blocks if (made := each.table or each.data)]
        charts = [each.chart.key for each in blocks if each.chart]
        for keys in (sections, tables, charts):
            twice = twice_in(keys)
            if twice:
                raise ValueError(f"key {twice[0]!r} appears twice")
        return self
