"""Content of a report, ready to print: sections of paragraphs, tables and charts over traced figures.

Every number that a cell shows is a figure of the register; the cell carries its display text. Renderers format:
they never add, round or look anything up.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.people import person_text
from data_quality.contracts.reporting.disclosure import Datum
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence, Text
from reports.texts.locales import long_date, page_word, place_text

Tone = Literal["plain", "good", "caution", "bad", "muted"]


class Cell(Model):
    """One table cell: words, or a figure's display text with its id and the decimals it was rounded to.

    href: on pages, where words lead; no part of a report.
    """

    text: Text
    figure_id: str = ""
    decimals: int = Field(default=0, ge=0, le=9)
    tone: Tone = "plain"
    mark: str = Field(default="", description="Letter of a footnote; it stands before the number")
    href: str = Field(default="", exclude=True)


class Column(Model):
    """One table column; `unit` stands under the title. `weight` is its share of the table's width."""

    title: Text
    unit: str = ""
    is_number: bool = False
    weight: float = Field(default=1.0, gt=0)


class Row(Model):
    """One table row, one cell a column."""

    cells: tuple[Cell, ...]
    is_total: bool = False


class Table(Model):
    """A table with its place in the workbook (`sheet`)."""

    kind: Literal["table"] = "table"
    key: str
    title: Text
    sheet: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: Text = ""

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"table {self.key!r} has {len(self.columns)} columns, a row has {len(row.cells)} cells"
                )
        return self


def table(
    key: str, title: Text, columns: Sequence[Column | Text | tuple[Text, str]],
    rows: Iterable[Iterable[Cell | Text]], *, note: Text = "",
) -> Table:  # fmt: skip
    """A table of a page. columns: a title alone is of words; with a unit, empty too, it is of numbers where it has the
    unit, or behind the first column a figure.
    """
    body = [tuple(each if isinstance(each, Cell) else Cell(text=each) for each in row) for row in rows]

    def head(at: int, column: Column | Text | tuple[Text, str]) -> Column:
        if isinstance(column, Column):
            return column
        if isinstance(column, str):
            return Column(title=column)
        name, unit = column
        return Column(title=name, unit=unit, is_number=bool(unit or (at and any(row[at].figure_id for row in body))))

    heads = tuple(head(at, column) for at, column in enumerate(columns))
    return Table(key=key, title=title, sheet=key[:31], columns=heads, rows=tuple(Row(cells=row) for row in body),
                 note=note)  # fmt: skip


class Paragraph(Model):
    """A sentence or two; `figure_ids` are the figures that its numbers are."""

    kind: Literal["paragraph"] = "paragraph"
    text: Text
    tone: Tone = "plain"
    figure_ids: tuple[str, ...] = ()


class Tile(Model):
    """One headline figure: label, display text, unit, a line below."""

    label: str
    text: str
    unit: str
    note: str = ""
    figure_id: str


class Tiles(Model):
    """Headline figures side by side."""

    kind: Literal["tiles"] = "tiles"
    tiles: tuple[Tile, ...]


class Series(Model):
    """One series of a chart; None is a gap and is drawn as one. low, high: edges of a band around the values."""

    name: Text
    role: Literal["actual", "expected", "third", "fourth"]
    values: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()


class Chart(Model):
    """A picture; every series has one value a category. `figure_ids`: what the values are. `sheet`: in the workbook.

    bars and lines: as they say. waterfall: one series, its first and last value stand on zero, the others are steps
    between them. heat: a category a day, a series an hour. flows: what runs from each category to each series.
    """

    kind: Literal["chart"] = "chart"
    key: str
    title: Text
    unit: str
    shape: Literal["bars", "lines", "waterfall", "heat", "flows"]
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    locale: str = "en"
    figure_ids: tuple[str, ...] = ()
    note: Text = ""
    sheet: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """The categories as people read them: days and months in words."""
        return tuple(place_text(each, self.locale) for each in self.categories)

    @model_validator(mode="after")
    def _series_fit(self) -> Self:
        for series in self.series:
            edges = [each for each in (series.low, series.high) if each]
            if any(len(each) != len(self.categories) for each in (series.values, *edges)):
                raise ValueError(f"chart {self.key!r}: series {series.name!r} does not fit its categories")
        return self


class Register(Model):
    """The register of figures (register.py): which of the content's figures, in which order; number 1 comes first."""

    kind: Literal["register"] = "register"
    title: str
    figure_ids: tuple[str, ...]
    note: str = ""


Block = Annotated[Paragraph | Table | Tiles | Chart | Register, Field(discriminator="kind")]


class Section(Model):
    """One part of the report. `starts_page` begins a new page, unless that would leave one half empty."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    starts_page: bool = False


class Participant(Model):
    """Somebody who had a part in a report. name: as the people file had it then; empty where it had none."""

    person_id: str
    name: str = ""

    @property
    def who(self) -> str:
        """Name and id."""
        return person_text(self.person_id, self.name)


class LifeStep(Participant):
    """A review or a publication: who, when, and whether their signature over this content is kept and holds."""

    at_utc: datetime
    is_signed: bool
    # Files of a report tell who and when; why is told where it is decided.
    reason: str = Field(default="", exclude=True)

    def sentence(self, verb: str, locale: str = "en") -> str:
        """Person and time of an act; without a key it says so."""
        signed = "signed" if self.is_signed else "without a signature"
        day = long_date(self.at_utc.astimezone(UTC).date(), locale)
        return page_word(Sentence(f"{verb} by {{0}} on {{1}} ({signed})", self.who, day), locale)


class ReportState(Model):
    """Status of a revision: beside the content, in no revision and no hash of it."""

    status: Literal["draft", "reviewed", "returned", "published", "published (synthetic)", "withdrawn"] = "draft"
    prepared: Participant | None = None
    reviewed: LifeStep | None = None
    published: LifeStep | None = None
    # Excluded: files of revisions that neither was done to stay as they are.
    returned: LifeStep | None = Field(default=None, exclude=True)
    withdrawn: LifeStep | None = Field(default=None, exclude=True)

    @property
    def text(self) -> str:
        """The status, and that a publication is by name only."""
        is_unsigned = self.published is not None and not self.published.is_signed and self.withdrawn is None
        return f"{self.status} without a signature" if is_unsigned else self.status

    def sentence(self, locale: str = "en") -> str:
        """The status with who prepared, who reviewed and who published, when and with what."""
        steps = (
            ("reviewed", self.reviewed), ("returned", self.returned), ("published", self.published),
            ("withdrawn", self.withdrawn),
        )  # fmt: skip
        steps_in_words = [step.sentence(verb, locale) for verb, step in steps if step is not None]
        steps_in_words = steps_in_words or [page_word("nobody has reviewed it", locale)]
        if self.prepared is not None:
            # Made by a run that neither a schedule nor a sensor asked for (reports/lifecycle/periodic.py).
            by_run = self.prepared.person_id == "run"
            who = "prepared by a Dagster run" if by_run else Sentence("prepared by {0}", self.prepared.who)
            steps_in_words.insert(0, page_word(who, locale))
        return f"{page_word(self.text, locale)}: {', '.join(steps_in_words)}"


class FigureBand(Model):
    """Ends of the interval that holds a figure's true value with probability `coverage`, 0-1, in the figure's unit.

    not_included: codes of what nobody states and the band does not hold.
    """

    figure_id: str
    low: float
    high: float
    coverage: float
    not_included: tuple[str, ...] = ()


class ReportContent(Model):
    """One revision of one report for one site and period. revision 0 is not stored yet.

    status `final`: nothing in the content stands against publication. It is printed nowhere: `life` is, which whoever
    renders fills in (reports/evidence/lifecycle.py: with_revision_state).
    """

    report_id: str
    name: str
    title: str
    site_id: str
    site_name: str
    period: str
    start: date
    end: date
    time_zone: str
    locale: str
    # Of its words, where that is not the locale's; absent where it is, as in contents of before.
    language: str = Field(default="", exclude_if=lambda language: not language)
    currency: str
    revision: int = Field(ge=0)
    as_of_utc: datetime
    status: Literal["draft", "final"]
    is_synthetic: bool
    findings: tuple[Finding, ...]
    versions: dict[str, str]
    sections: tuple[Section, ...]
    figures: tuple[Figure, ...]
    # Absent where there are none: contents of before are the same bytes.
    data: tuple[Datum, ...] = Field(default=(), exclude_if=lambda data: not data)
    # Of headline figures whose meters, factors or models say what they may be off.
    bands: tuple[FigureBand, ...] = Field(default=(), exclude_if=lambda bands: not bands)
    # Of a group: the file that says whose the sites are, so that its shares can be recomputed of the report alone.
    organisation: Organisation | None = Field(default=None, exclude_if=lambda given: given is None)
    # Excluded: whoever reviews a report must not change what was reviewed.
    life: ReportState = Field(default=ReportState(), exclude=True)

    @property
    def spoken(self) -> str:
        """The language of its words; its numbers and days are of `locale`."""
        return self.language or self.locale

    def tables(self) -> Iterator[Table]:
        """Every table, in reading order."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Table):
                    yield block

    def charts(self) -> Iterator[Chart]:
        """Every chart, in reading order."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Chart):
                    yield block

    def figure(self, figure_id: str) -> Figure | None:
        """The figure of that id, or None."""
        return next((figure for figure in self.figures if figure.figure_id == figure_id), None)
