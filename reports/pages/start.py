"""The first page of an empty project: files, the meters that they seem to hold, and the way to the first figures."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.chart import PARTS, Chart, ChartRow
from reports.pages.numbers import Picture
from reports.pages.page import FileLine, Form, Input, Page, PageBlock, Part, Proposal, ProposedMeter, Steps, Upload, Way
from reports.pages.reading_upload import MappableTable, map_form
from reports.report_content import Paragraph
from reports.svg.markup import spark_svg
from reports.texts.locales import format_number, long_date, named, unit_text

PATH, FILES, MAP, CONFIRM = "/start", "/start/files", "/start/map", "/start/confirm"
MOST_START_MB = 64
_STEPS: tuple[Text, ...] = ("Add files", "Check meters", "First figures")
# Beside the place for files, as long as no meter is known.
_HELD = (
    (
        "Meter readings",
        "Of intervals or counters. Columns, units and times are found and shown before they are stored.",
    ),
    ("Weather", "Outdoor temperature, for baselines and forecasts."),
    ("Bills", "Each is stored and checked against readings and tariff."),
    ("First figures", "Use, cost and carbon are calculated as soon as the meters are confirmed."),
)


class DraftSeries(NamedTuple):
    """A meter or driver of the draft. columns: of the files; hours: means of the last week, of energy in kW, a gap
    where none was read; rows: readings of it.
    """

    name: str
    columns: tuple[str, ...]
    unit: str
    hours: tuple[float | None, ...]
    rows: int


class Open(NamedTuple):
    """An open question about a column: its text, and the answers that are allowed."""

    ask_id: str
    text: str
    answers: tuple[str, ...]


def start_page(
    address: Address,
    *,
    files: Sequence[str] = (),
    refused: Mapping[str, str] | None = None,
    bills: Mapping[str, SupplierBill] | None = None,
    found: Sequence[DraftSeries] = (),
    hours: Sequence[datetime] = (),
    questions: Sequence[Open] = (),
    mappable: Sequence[MappableTable] = (),
    tables: Sequence[str] = (),
    kept: str = "",
    time_zone: str = "",
    currency: str = "",
) -> Page:
    """Files first; of those that were sent (by name) what they hold, or why they cannot be used. bills: those of them
    that are bills. hours: of the means of `found`, local; mappable: tables whose columns a person maps now; tables:
    names of those that are read, which may be mapped otherwise; kept: the key of the upload; time_zone, currency: as
    far as they are known.
    """
    wrong, papers = refused or {}, bills or {}
    lines = tuple(
        _bill(papers[each], address.locale)
        if each in papers
        else _line(each, wrong.get(each), address.href(map=each) if each in tables else "")
        for each in files
    )
    blocks: list[PageBlock] = [Way(steps=_STEPS, at=1 if found else 0)]
    blocks.append(Upload(title="Your files", form=_choose(address, time_zone), files=lines))
    blocks += [
        map_form(each, address.href(MAP, map=None), kept=kept, meters={}, time_zone=time_zone) for each in mappable
    ]
    if found:
        blocks += [
            _proposal(found, questions, address.locale),
            _site(found, questions, address, kept, time_zone, currency),
            *_preview(found, hours, address.locale),
        ]
    else:
        blocks.append(Steps(title="What files may hold", steps=tuple((name, text, "") for name, text in _HELD)))
    return _page(address, blocks)


def waiting_page(address: Address, *, fault: str = "") -> Page:
    """The last step, as long as the figures are being calculated. fault: why they could not be."""
    message: Text = "Readings are stored. The first figures are being calculated; this page opens them by itself."
    if fault:
        message = Sentence("The figures could not be calculated: {0}", named(fault))
    return _page(address, [Way(steps=_STEPS, at=2), Paragraph(text=message, tone="bad" if fault else "plain")])


def _page(address: Address, blocks: Sequence[PageBlock]) -> Page:
    return Page(
        title="Set up your site", address=address, age="Nothing is stored before you confirm.",
        parts=(Part(key="start", blocks=tuple(blocks)),), links=(("Connections", address.href("/live", kept=None)),),
    )  # fmt: skip


def _choose(address: Address, time_zone: str) -> Form:
    hint = Sentence("CSV, XLSX, Parquet, EDI and more, bills as PDF, at most {0} MB together", MOST_START_MB)
    fields = (
        Input(name="time_zone", label="Time zone", value=time_zone, is_required=True, hint="as Europe/Berlin"),
        Input(
            name="file", label="Meter files and bills", kind="file", is_required=True, hint=hint, most_mb=MOST_START_MB
        ),
    )
    return Form(
        key="files", title="Drop meter files, weather and bills here", action=address.href(FILES), fields=fields,
        submit="Show meters", note="Files stay on this machine.",
    )  # fmt: skip


def _line(name: str, fault: str | None, map_address: str) -> FileLine:
    if fault is None:
        return FileLine(name=named(name), about="", state="Readable", look="good", map_address=map_address)
    return FileLine(name=named(name), about=named(fault), state="Rejected", look="bad")


def _bill(bill: SupplierBill, locale: str) -> FileLine:
    dates = [long_date(each, locale) if each else Sentence("not read") for each in (bill.start, bill.end)]
    amount = format_number(bill.amount_due, decimals=2, locale=locale)
    money = named(f"{amount} {unit_text(bill.currency or '')}".strip())
    about = Sentence("{0} to {1} (excluded), {2}", *dates, money)
    return FileLine(name=named(bill.file), about=about, state="Bill", look="warn" if bill.unread else "good")


def _proposal(found: Sequence[DraftSeries], questions: Sequence[Open], locale: str) -> Proposal:
    rows = tuple(
        ProposedMeter(
            name=named(each.name), columns=named(", ".join(each.columns)), quantity=named(unit_text(each.unit)),
            picture=_week(each), look="good" if each.rows else "warn",
            check=Sentence("{0} readings", format_number(each.rows, decimals=0, locale=locale))
            if each.rows else "No readings",
        )
        for each in found
    )  # fmt: skip
    hint = Sentence("{0} found, {1} to check", len(rows), len(questions))
    return Proposal(title="Proposed meters", hint=hint, rows=rows)


def _week(found: DraftSeries) -> Picture | None:
    if sum(each is not None for each in found.hours) < 2:
        return None
    title = Sentence("One week of {0}", named(found.name))
    text = f"{len(found.hours)} hourly means in {unit_text(found.unit)}"
    return Picture(key="week", title=title, svg=spark_svg(found.name, found.hours, text=text), caption=title)


def _preview(found: Sequence[DraftSeries], hours: Sequence[datetime], locale: str) -> list[Chart]:
    """One week of the meters that count energy, in kW."""
    meters = [each for each in found if each.unit == "kwh" and each.rows][: len(PARTS)]
    if not meters:
        return []
    roles = zip(meters, PARTS, strict=False)
    rows = tuple(ChartRow(label=named(each.name), values=each.hours, role=part) for each, part in roles)
    ticks = tuple((at, f"{hour:%m-%d}") for at, hour in enumerate(hours) if hour.hour == 0)
    return [
        Chart(kind="line", key="preview", title="Preview with these meters", unit="kw", rows=rows, ticks=ticks,
              x=tuple(f"{hour:%Y-%m-%d %H:%M}" for hour in hours), x_title="Time", hint="hourly means of one week",
              locale=locale)
    ]  # fmt: skip


def _site(
    found: Sequence[DraftSeries], questions: Iterable[Open], address: Address, kept: str, time_zone: str, currency: str
) -> Form:
    asks = tuple(
        Input(
            name=each.ask_id, label=named(each.text), kind="select",
            options=(("", "Leave open"), *((answer, named(answer)) for answer in each.answers)),
        )
        for each in questions
    )  # fmt: skip
    fields = (
        Input(name="kept", kind="hidden", value=kept),
        Input(name="name", label="Name of the site", is_required=True),
        Input(name="time_zone", label="Time zone", value=time_zone, is_required=True),
        Input(name="currency", label="Currency", value=currency, is_required=True, hint="as EUR"),
        Input(name="floor_area_m2", label="Floor area, m²", kind="number"),
        *asks,
    )
    label = Sentence("Confirm {0} meters", len(found))
    return Form(
        key="confirm", title="Site", action=address.href(CONFIRM, kept=None, tz=None, map=None), fields=fields,
        submit=label,
        note="The site file is written, the readings are stored, and the first figures calculated.",
    )  # fmt: skip
