"""The quality calendar: how much of each meter's day was read, and what stands in quarantine."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import Period
from reports.pages.address import Address
from reports.pages.page import Calendar, CalendarRow, Choice, DayQuality, Option, Page, PageBlock, Part
from reports.report_content import Paragraph
from reports.texts.locales import month_year, named
from reports.texts.numbers import format_alike

PATH = "/data"
GOOD, FAIR = 0.95, 0.8


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
) -> Page:
    """A row a meter, a cell a day. meters: id and name; months: that have readings, the newest first; last_day: of the
    site's readings; today: its day that is not over; is_partial: the site has meters that the marts count no days of;
    upload: the place for new files; refused: what stands in quarantine.
    """
    picked = tuple(
        Option(text=month_year(each, address.locale), href=address.href(period=f"{each:%Y-%m}"),
               is_chosen=each == month.start)
        for each in months
    )  # fmt: skip
    blocks: list[PageBlock] = [Choice(label="Month", options=picked)] if picked else []
    if months:
        blocks.append(_calendar(month, meters, days, last_day, today, address.locale))
        if is_partial:
            blocks.append(Paragraph(text="Meters that only generate or store are not in this calendar.", tone="muted"))
    else:
        blocks.append(Paragraph(text="No reading of this site is in the marts yet.", tone="caution"))
    sent = (Part(key="upload", blocks=tuple(upload)),) if upload else ()
    return Page(
        title="Data", age=named(site_name), address=address, is_synthetic=is_synthetic,
        parts=(Part(key="calendar", blocks=tuple(blocks)), *sent, Part(key="quarantine", blocks=tuple(refused))),
        links=(("Connections", address.href("/live", period=None)),),
    )  # fmt: skip


def _calendar(
    month: Period,
    meters: Mapping[str, str],
    days: Mapping[tuple[str, date], DayRead],
    last_day: date | None,
    today: date,
    locale: str,
) -> Calendar:
    every = [date.fromordinal(at) for at in range(month.start.toordinal(), month.end.toordinal())]
    rows = tuple(
        CalendarRow(
            name=named(name),
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
