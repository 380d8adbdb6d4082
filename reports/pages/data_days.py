"""The quality calendar: how much of each meter's day was read, and what stands in quarantine."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from statistics import fmean
from typing import NamedTuple

from data_quality.contracts.sentence import Sentence, Text
from data_quality.contracts.time import Period
from reports.pages.address import Address
from reports.pages.numbers import Number
from reports.pages.page import (
    Calendar,
    CalendarRow,
    Cards,
    Choice,
    DayQuality,
    Form,
    Option,
    Page,
    PageBlock,
    Part,
    Refusal,
    Refusals,
    Widget,
)
from reports.report_content import Paragraph
from reports.texts.locales import MISSING, format_alike, month_year, named
from reports.writer import words

PATH = "/data"
GOOD, FAIR = 0.95, 0.8
RETRY, TAKE, MAPPED = "retry", "accept", "map"
MOST_SHOWN = 100
_CORRECT: Text = "Upload the corrected file"
_FIXES: Mapping[str, Text] = {
    "unknown_meter": "Add the meter, or its name in a column map, to the site file; then read the file again",
    "unknown_register": "Add the register to its meter in the site file; then read the file again",
    "unknown_unit": "State the unit in a column map of the site file; then read the file again",
    "unit_mismatch": "Correct the unit in a column map of the site file; then read the file again",
    "no_zone": "State the time zone in a column map of the site file; then read the file again",
    "negative_consumption": "Check the direction of the meter, then upload the corrected file",
    "future_timestamp": "Check the clock of the meter, then upload the corrected file",
    "unit_suspected": "Check the unit; if the size is right, accept it",
    "scale_slip": "Check the unit; if the size is right, accept it",
}


class DayRead(NamedTuple):
    """One meter's day in the marts: share of it that was read, and share of the readings that is estimated."""

    coverage: float
    estimated_share: float


def data_page(
    address: Address,
    *,
    site_name: str,
    month: Period,
    months: Sequence[date],
    meters: Mapping[str, str],
    days: Mapping[tuple[str, date], DayRead],
    last_day: date | None,
    today: date,
    refused: Sequence[PageBlock],
    is_partial: bool,
    is_synthetic: bool,
    upload: Sequence[PageBlock] = (),
    age: Text = "",
) -> Page:
    """A row a meter, a cell a day. meters: id and name; months: that have readings, the newest first; last_day: of the
    site's readings; today: its day that is not over; is_partial: the site has meters that the marts count no days of;
    upload: the place for new files; refused: what stands in quarantine; age: until when there are readings.
    """
    picked = tuple(
        Option(text=month_year(each, address.locale), href=address.href(period=f"{each:%Y-%m}"),
               is_chosen=each == month.start)
        for each in months
    )  # fmt: skip
    blocks: list[PageBlock] = [Choice(label="Month", options=picked)] if picked else []
    if months:
        over = _days_over(month, meters, days, last_day, today)
        blocks.append(_figures(over, refused, address.locale))
        blocks.append(_calendar(month, meters, days, last_day, today, address.locale, over))
        if is_partial:
            blocks.append(Paragraph(text="Meters that only generate or store are not in this calendar.", tone="muted"))
    else:
        blocks.append(Paragraph(text="No reading of this site has been processed yet.", tone="caution"))
    sent = (Part(key="upload", blocks=tuple(upload)),) if upload else ()
    return Page(
        title="Data", age=age or named(site_name), address=address, is_synthetic=is_synthetic,
        parts=(Part(key="calendar", blocks=tuple(blocks)), *sent, Part(key="quarantine", blocks=tuple(refused))),
        first=("Upload files", "#upload") if upload else None,
        links=(("Connections", address.href("/live", period=None)),),
    )  # fmt: skip


def _days_over(
    month: Period,
    meters: Mapping[str, str],
    days: Mapping[tuple[str, date], DayRead],
    last_day: date | None,
    today: date,
) -> dict[str, list[DayRead]]:
    """By meter each day of the month that is over and not ahead of the last reading; one not read has nothing."""
    ends = min(month.end, today, month.end if last_day is None else last_day + timedelta(days=1))
    every = [month.start + timedelta(days=at) for at in range((ends - month.start).days)]
    return {meter: [days.get((meter, day), DayRead(0.0, 0.0)) for day in every] for meter in meters}


def _share(days: Sequence[DayRead], locale: str) -> str:
    """Mean coverage of the days, in percent; a dash of none."""
    read = fmean(each.coverage for each in days) * 100 if days else None
    [text] = format_alike([read], "percent", locale=locale)
    return text


def _figures(over: Mapping[str, Sequence[DayRead]], refused: Sequence[PageBlock], locale: str) -> Cards:
    """Cards of coverage, gaps, estimated days and rows in quarantine."""
    every = [day for days in over.values() for day in days]
    complete = str(sum(all(day.coverage >= 1 for day in days) for days in over.values())) if every else MISSING
    gaps = str(sum(day.coverage < 1 for day in every)) if every else MISSING
    estimated = sum(day.estimated_share > 0 for day in every)
    held = sum(each.count for each in refused if isinstance(each, Refusals))
    found: tuple[tuple[str, Text, str, str, Text], ...] = (
        ("coverage", "Coverage", _share(every, locale), "%" if every else "", "of the readings of past days"),
        ("meters_complete", "Meters without a gap", complete, "", Sentence("of {0} meters", len(over))),
        ("days_gaps", "Meter days with gaps", gaps, "", Sentence("{0} meter days estimated in part", estimated)),
        ("quarantine", "Rows in quarantine", str(held), "", "waiting for a decision" if held else "nothing to decide"),
    )
    return Cards(
        widgets=tuple(
            Widget(key=key, title=title, state="value", span=3,
                   value=Number(label=title, text=text, unit=unit, note=note))
            for key, title, text, unit, note in found
        )
    )  # fmt: skip


def _calendar(
    month: Period,
    meters: Mapping[str, str],
    days: Mapping[tuple[str, date], DayRead],
    last_day: date | None,
    today: date,
    locale: str,
    over: Mapping[str, Sequence[DayRead]],
) -> Calendar:
    every = [date.fromordinal(at) for at in range(month.start.toordinal(), month.end.toordinal())]
    rows = tuple(
        CalendarRow(
            name=named(name),
            coverage=f"{_share(over[meter], locale)} %" if over[meter] else "",
            days=tuple(
                _quality(days.get((meter, day)), last_day is None or day > last_day, locale, is_over=day < today)
                for day in every
            ),
        )
        for meter, name in meters.items()
    )
    return Calendar(
        key="quality", title="Quality by meter and day", hint=month_year(month.start, locale),
        columns=tuple(str(day.day) for day in every), rows=rows,
    )  # fmt: skip


def _quality(read: DayRead | None, is_ahead: bool, locale: str, *, is_over: bool) -> DayQuality:
    if read is None:
        return DayQuality(state="ahead" if is_ahead else "none", text="" if is_ahead else "no readings")
    [share] = format_alike([read.coverage * 100], "percent", locale=locale)
    if read.estimated_share > 0:
        [part] = format_alike([read.estimated_share * 100], "percent", locale=locale)
        return DayQuality(state="estimated", text=Sentence("{0} % estimated", part))
    if not is_over:
        # What is missing of it is mostly what is still to come.
        return DayQuality(state="running", text=Sentence("{0} % of readings so far", share))
    state = "complete" if read.coverage >= 1 else "good" if read.coverage >= GOOD else "fair"
    return DayQuality(
        state="low" if read.coverage < FAIR else state,
        text="complete" if read.coverage >= 1 else Sentence("{0} % of readings", share),
    )


class Refused(NamedTuple):
    """Rows of a file that were refused for one reason. item_id: one of them; lines: first and last, 0 for the whole
    file. needs_map: a column map would read the file; may_take: a person's word on the size takes them.
    """

    item_id: str
    file: str
    lines: tuple[int, int]
    reason: str
    rows: int
    since: str
    needs_map: bool = False
    may_take: bool = False


def refusal_blocks(
    refused: Sequence[Refused], address: Address, *, may_act: bool, retried: bool | None = None
) -> tuple[PageBlock, ...]:
    """The table, the newest first. retried: of a file that was read again just now whether that resolved it."""
    rows = tuple(_refusal(each, address, may_act=may_act) for each in refused[:MOST_SHOWN])
    files = len({each.file for each in refused})
    hint = Sentence("{0} rows in {1} files", sum(each.rows for each in refused), files) if refused else ""
    table = Refusals(title="Quarantine", hint=hint, rows=rows, count=sum(each.rows for each in refused))
    if retried is None:
        return (table,)
    message = "The file was read again, and these rows are stored." if retried else (
        "The file was read again just as before: nothing changed. Correct the site file or the file first."
    )  # fmt: skip
    return (Paragraph(text=message, tone="good" if retried else "caution"), table)


def _refusal(refused: Refused, address: Address, *, may_act: bool) -> Refusal:
    first, last = refused.lines
    lines = f":{first}" if first and first == last else f":{first}–{last}" if first else ""
    return Refusal(
        where=named(f"{refused.file}{lines}"), reason=words(refused.reason), rows=str(refused.rows),
        since=refused.since, fix="Map its columns" if refused.needs_map else _FIXES.get(refused.reason, _CORRECT),
        acts=_acts(refused, address) if may_act else (),
    )  # fmt: skip


def _acts(refused: Refused, address: Address) -> tuple[Form, ...]:
    labels: dict[str, Text] = ({MAPPED: "Map columns"} if refused.needs_map else {}) | {RETRY: "Read again"}
    if refused.may_take:
        labels = {TAKE: Sentence("Accept {0} rows", refused.rows)} | labels
    return tuple(
        Form(key=f"{act}-{refused.item_id[:12]}", title=text, action=address.href(act_path(refused.item_id, act)))
        for act, text in labels.items()
    )


def act_path(item_id: str, act: str) -> str:
    """The address of an act on a refused file."""
    return f"/data/quarantine/{item_id}/{act}"
