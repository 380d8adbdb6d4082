"""Content of a page, ready to draw: blocks of numbers, tables and pictures, each number with its unit, age and why.

The drawing (HTML, or a script's chart) formats and computes nothing. Blocks of reports (Table, Chart, Paragraph) are
blocks of pages too; what only a page has stands here. Texts are plain, but for `Picture.svg`, which reports/svg makes.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Text
from reports.pages.address import Address
from reports.pages.chart import Chart, Energy
from reports.pages.numbers import Number, Numbers, Picture, State
from reports.report_content import Paragraph, Table, Tone

# What a page that shows nothing yet may lack.
Lack = Literal["", "readings", "device", "source", "forecast", "load"]


class Item(Model):
    """One line of a list: a finding with what can be done about it, or what is planned and why.

    detail: one line under it, more: what may be known beside that; worth: in money; acts: verb and where it leads.
    span: from when to when, and energy: of what, of a thing that is planned. parts: lines that are equal but for whose
    they are, under one that counts them. pieces: of the text, each with where it leads.
    """

    text: Text
    pieces: tuple[tuple[str, str], ...] = ()
    detail: Text = ""
    more: Text = ""
    tone: Tone = "plain"
    icon: str = "info"
    href: str = ""
    worth: Number | None = None
    acts: tuple[tuple[str, str], ...] = ()
    span: str = ""
    energy: Energy | None = None
    parts: tuple["Item", ...] = ()


class Widget(Model):
    """One tile of a board. state: a value, a value with a finding, none with its reason, or not set up at
    this site: then no board shows it.

    age: of what it shows; where its value is live, of that value. span: columns of twelve; 0: a quarter of a row.
    is_tall: two rows high. hint: unit and scope beside the title. command: a formula, or what a shell is told.
    all_items: of many lines, of which `items` are the first, the words of their fold, and all. next: what can be done
    about what is missing, and where; without a place who can do it. chips: the column of states of its table; sparks:
    by key of a cell, what is drawn in it.
    """

    key: str
    title: Text
    state: State
    value: Number | None = None
    reason: Text = ""
    age: Text = ""
    numbers: tuple[Number, ...] = ()
    findings: tuple[Finding, ...] = ()
    picture: Picture | None = None
    chart: Chart | None = None
    table: Table | None = None
    chips: int | None = None
    sparks: dict[str, str] = {}
    items: tuple[Item, ...] = ()
    all_items: tuple[Text, tuple[Item, ...]] | None = None
    acts: tuple["Act", ...] = ()
    hint: Text = ""
    command: Text = ""
    next: tuple[Text, str] | None = None
    link: str = ""
    is_synthetic: bool = False
    span: int = 0
    is_tall: bool = False

    @model_validator(mode="after")
    def _says_why_not(self) -> Self:
        if self.state in ("none", "not_set_up") and not self.reason:
            raise ValueError(f"widget {self.key!r} shows nothing and says not why")
        has_more = bool(self.numbers or self.items or self.reason) or self.table is not None or self.chart is not None
        if self.state in ("value", "finding") and self.value is None and not has_more:
            raise ValueError(f"widget {self.key!r} has neither value, numbers, chart nor table")
        return self


class Cards(Model):
    """Widgets side by side, in reading order."""

    kind: Literal["cards"] = "cards"
    widgets: tuple[Widget, ...]


class Option(Model):
    """One choice of a picker: where it leads, and whether it is the present one."""

    text: Text
    href: str
    is_chosen: bool = False


class Choice(Model):
    """A picker that works as plain links: site, scope, grain, what to compare with."""

    kind: Literal["choice"] = "choice"
    label: Text
    options: tuple[Option, ...]


class Input(Model):
    """One field of a form. most_mb: of all files together that are chosen in it. checks: each option is a field of its
    own, NAME.OPTION, that is sent where it is checked; value: the options that are checked at first, with spaces.
    """

    name: str
    label: Text = ""
    kind: Literal["text", "date", "select", "password", "hidden", "number", "file", "textarea", "checks"] = "text"
    value: str = ""
    options: tuple[tuple[str, Text], ...] = ()
    is_required: bool = False
    hint: Text = ""
    most_mb: int = 0


# Field of the acts that are done for a reason.
REASON = Input(name="reason", label="Reason", is_required=True)


def _end_of(form: dict[str, Any]) -> str:
    """The last word of the address to which a form is sent."""
    return str(form["action"]).partition("?")[0].rpartition("/")[2]


class Form(Model):
    """A form. method get: a question; post: an act, to which the drawing adds the token against forgery. key: without
    one the last word of its action; submit: without one its title.

    public_key: of who signs it, with the private half, in the browser; command: what does it where no script can.
    takes_new_key: the file of a new key is chosen, which vouches for its owner; without public_key it is the first,
    and the browser makes it.
    is_answered: its answer is a page of its own, which nobody can open again.
    undoes: what the person did a moment ago and this takes back, as the page says it; its fields need no answer.
    """

    kind: Literal["form"] = "form"
    title: Text
    action: str
    key: str = Field(default_factory=_end_of)
    method: Literal["get", "post"] = "post"
    fields: tuple[Input, ...] = ()
    submit: Text = Field(default_factory=lambda form: form["title"])
    note: Text = ""
    public_key: str = ""
    command: str = ""
    takes_new_key: bool = False
    is_answered: bool = False
    undoes: Text = ""


class Steps(Model):
    """A list of steps or facts, each with a word, a sentence and perhaps a link; the graph behind a number, a life."""

    kind: Literal["steps"] = "steps"
    title: Text
    steps: tuple[tuple[Text, Text, str], ...]


class DayQuality(Model):
    """One day of a meter: complete, good (95 % read), fair (80 %), low, estimated in part, without readings, not over
    yet, or ahead of the last reading.
    """

    state: Literal["complete", "good", "fair", "low", "estimated", "none", "running", "ahead"]
    text: Text


class CalendarRow(Model):
    """One meter and its days. coverage: share of their readings, as people read it."""

    name: Text
    days: tuple[DayQuality, ...]
    coverage: Text = ""


class Calendar(Model):
    """A row a meter, a column a day. hint: the month."""

    kind: Literal["calendar"] = "calendar"
    key: str
    title: Text
    hint: Text = ""
    columns: tuple[str, ...]
    rows: tuple[CalendarRow, ...]


Look = Literal["good", "info", "warn", "bad", "muted"]


class Entry(Model):
    """One line of a library: what it is and where it is shown. done: steps of four that are behind it; note: the last
    of them in words; state: what it waits for, or is; about: place, period and revision.
    """

    title: Text
    about: Text
    href: str
    done: int = Field(ge=0, le=4)
    note: Text
    state: Text
    look: Look
    is_chosen: bool = False


class Library(Model):
    """Things of one kind, one of which is looked at beside it. note: where there is none."""

    kind: Literal["library"] = "library"
    title: Text
    about: Text
    options: tuple[Option, ...]
    entries: tuple[Entry, ...]
    note: Text = ""
    more: tuple[Text, str] | None = None


class Act(Model):
    """Act behind a button that opens its question. facts: what comes of it, in pairs.

    form: sends it; None: the person cannot, and the note says why. command: of a shell, for what no form does.
    """

    kind: Literal["act"] = "act"
    label: Text
    question: Text
    about: Text
    facts: tuple[tuple[Text, Text], ...]
    form: Form | None = None
    command: str = ""
    note: Text = ""
    is_first: bool = False
    icon: str = "pen-line"


class LifeMark(Model):
    """One step of a life: its name, the rest of its sentence, and a line below it."""

    name: Text
    text: Text
    more: Text = ""
    look: Look


class Sheet(Model):
    """A document: what may be done with it, how it looks, and its life. files: name, address and, where it has none,
    what makes it. why_not: why a person is offered no act. preview: its first page, and where the whole of it is.
    """

    kind: Literal["sheet"] = "sheet"
    title: Text
    about: Text
    files: tuple[tuple[Text, str, str], ...]
    acts: tuple[Act, ...]
    why_not: Text = ""
    preview: "Page"
    whole: str
    life: tuple[LifeMark, ...]


class Strip(Model):
    """A state across the page: its word, and a sentence or two about it."""

    kind: Literal["strip"] = "strip"
    label: Text
    text: Text
    tone: Tone = "plain"


class PointRow(Model):
    """A live point: what it measures, its number with its one age, and its last minutes. point: `source/point`."""

    name: Text
    point: str
    number: Number
    quality: Text
    picture: Picture | None = None


class PointSource(Model):
    """A source and its live points, a row each. state: of the source in a word; about: in a sentence."""

    title: Text
    state: tuple[Text, Look]
    about: Text
    rows: tuple[PointRow, ...]


class Points(Model):
    """The live sources of a site as one table."""

    kind: Literal["points"] = "points"
    sources: tuple[PointSource, ...]


class ProposedMeter(Model):
    """A meter that files seem to hold: its columns, what it counts, its last week, and what was found of it."""

    name: Text
    columns: Text
    quantity: Text
    picture: Picture | None = None
    check: Text
    look: Look


class Proposal(Model):
    """Meters as they would become some of a site."""

    kind: Literal["proposal"] = "proposal"
    title: Text
    hint: Text
    rows: tuple[ProposedMeter, ...]


class Way(Model):
    """Steps of which one is taken now. at: the place of that one, from 0."""

    kind: Literal["way"] = "way"
    steps: tuple[Text, ...]
    at: int


class Refusal(Model):
    """Rows of a file that wait in quarantine: where and why, what mends them, and what can be done here."""

    where: Text
    reason: Text
    rows: str
    since: str
    fix: Text
    acts: tuple[Form, ...] = ()


class Refusals(Model):
    """Rejected rows in quarantine. count: of all of them, where not all are shown."""

    kind: Literal["refusals"] = "refusals"
    title: Text
    count: int = 0
    hint: Text = ""
    rows: tuple[Refusal, ...]


class FileLine(Model):
    """A file that was sent: what is in it, or why it cannot be used. map_address: of the form that maps its columns."""

    name: Text
    about: Text
    state: Text
    look: Look
    map_address: str = ""


class Upload(Model):
    """A place for files, onto which they are dropped or in which they are chosen; those that were sent, and the act
    that takes them in.
    """

    kind: Literal["upload"] = "upload"
    title: Text
    form: Form
    files: tuple[FileLine, ...] = ()
    accept: Form | None = None


class SentPictures(Model):
    """Pictures that were sent, as (address, what they show, where they lead), and the form that is filled in by looking
    at them.
    """

    kind: Literal["sent_pictures"] = "sent_pictures"
    key: str
    pictures: tuple[tuple[str, Text, str], ...]
    form: Form | None = None


PageBlock = Annotated[
    Paragraph
    | Table
    | Chart
    | Numbers
    | Picture
    | Cards
    | Choice
    | Form
    | Act
    | Steps
    | Calendar
    | Library
    | Sheet
    | Strip
    | Points
    | Proposal
    | Refusals
    | Upload
    | SentPictures
    | Way,
    Field(discriminator="kind"),
]


class Part(Model):
    """One part of a page, under a heading of its own; the first may have none."""

    key: str
    title: Text = ""
    blocks: tuple[PageBlock, ...]


class Page(Model):
    """One page. age: how old what it shows is, in words; made: when it was calculated, told to whom points there.

    whys: by figure_id, where the cells of figures lead.
    first: the act that leads; links: text and address of what else is done with the page (CSV, the same as of now, the
    report). hints: of names in tables and over tiles the id, told to whom points at one. chips: of tables by key the
    column of states. sparks: as of Widget. state: how what it shows stands, as a chip. quoted_locale: of a page that
    quotes (a report as it was published) the locale of what it quotes, which stays as it is. awaits: the site of which
    nothing
    is told yet: its first live value has the browser load the page again. lacks: of a page that shows nothing yet, what
    the next act adds.
    """

    title: Text
    address: Address
    parts: tuple[Part, ...]
    age: Text = ""
    made: Text = ""
    state: tuple[Text, Look] | None = None
    findings: tuple[Finding, ...] = ()
    links: tuple[tuple[Text, str], ...] = ()
    first: tuple[Text, str] | None = None
    whys: dict[str, str] = {}
    hints: dict[str, str] = {}
    chips: dict[str, int] = {}
    sparks: dict[str, str] = {}
    quoted_locale: str = ""
    awaits: str = ""
    lacks: Lack = ""
    is_synthetic: bool = False


for each in (Sheet, Part, Page):  # A document shows pages of its own.
    each.model_rebuild()
