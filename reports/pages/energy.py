"""Energy of a scope over time: chart, headline numbers, heat map, table and CSV of one page.

Instants as the site's clock shows them: labels of rows, slots of a day, ticks of an axis. Days have 23 to 25 hours.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Numeral, Sentence, Text, sentences
from data_quality.contracts.time import Period, clock_of, zone
from reports.pages.address import Address, PageGrain, why_of
from reports.pages.chart import PARTS, Chart, ChartRow, Role
from reports.pages.numbers import Number
from reports.pages.page import Cards, Form, Page, PageBlock, Part, Widget
from reports.report_content import Paragraph
from reports.texts.locales import day_of_month, format_alike, period_text, short_date, unit_text
from reports.writer import words

# More than these no axis of a page has room for.
MOST_TICKS = 16
_STEPS_H = (1, 2, 3, 6, 12)
_STEPS_D = (1, 2, 7, 14)
_STEPS_M = (1, 2, 3, 6, 12, 24, 60)


def slot_of(at_utc: datetime, time_zone: str) -> str:
    """The time of day by the site's clock, as clock_of."""
    return clock_of(at_utc.astimezone(zone(time_zone)))


def label_of(at_utc: datetime, grain: PageGrain, time_zone: str) -> str:
    """Name of an interval of that grain: its first local moment, day or month."""
    local = at_utc.astimezone(zone(time_zone))
    if grain in ("month", "year"):
        return f"{local:%Y-%m}" if grain == "month" else f"{local:%Y}"
    return f"{local:%Y-%m-%d}" if grain == "day" else f"{local:%Y-%m-%d} {slot_of(at_utc, time_zone)}"


def slots_in_order(slots: set[str]) -> list[str]:
    """Slots as a day has them; the first pass of a repeated hour stands where other days have theirs."""
    return sorted(slots, key=lambda slot: (slot[:2], slot[6:], slot[3:5]))


def same_slot(slot: str) -> str:
    """The slot by which days are compared: the first pass of a repeated hour is the hour of other days."""
    return slot.removesuffix(" A")


def ticks(period: Period, locale: str = "en") -> tuple[tuple[int, str], ...]:
    """Ticks of the axis of a period, seconds since 1970, with their labels: local hours, days, months or years."""
    if period.days <= 4:
        step = next((each for each in _STEPS_H if period.days * 24 / each <= MOST_TICKS), _STEPS_H[-1])
        return tuple(_hours(period, step, locale))
    if period.days <= MOST_TICKS * _STEPS_D[-1]:
        step = next(each for each in _STEPS_D if period.days / each <= MOST_TICKS)
        return tuple(_at(day, period, day_of_month(day, locale)) for day in _every(period, step))
    step = next((each for each in _STEPS_M if period.days / 30 / each <= MOST_TICKS), _STEPS_M[-1])
    return tuple(
        _at(day, period, f"{day:%Y}" if step % 12 == 0 else f"{day:%Y-%m}")
        for day in _every(period, 1)
        if day.day == 1 and (day.year * 12 + day.month - 1) % step == 0
    )


def _hours(period: Period, step: int, locale: str) -> Iterator[tuple[int, str]]:
    """Every so many hours of the clock, so that a changed day has its ticks where other days have theirs."""
    at_utc = period.start_utc
    while at_utc < period.end_utc:
        local = at_utc.astimezone(zone(period.time_zone))
        if local.minute == 0 and local.hour % step == 0:
            is_first = at_utc == period.start_utc or local.hour == 0
            yield (
                int(at_utc.timestamp()),
                day_of_month(local.date(), locale) if is_first else slot_of(at_utc, period.time_zone),
            )
        at_utc += timedelta(minutes=15)


def _every(period: Period, days: int) -> Iterator[date]:
    for place in range(0, period.days, days):
        yield period.start + timedelta(days=place)


def _at(day: date, period: Period, text: str) -> tuple[int, str]:
    midnight = datetime.combine(day, time.min, tzinfo=zone(period.time_zone))
    return int(midnight.astimezone(UTC).timestamp()), text


PATH, CSV = "/energy", "/energy.csv"
UNIT = "kwh"
# More cells than these are no picture, and no page that opens at once.
MOST_HEAT_DAYS = 62
# The browser is told the reason of every point of a chart that a hand can point into.
MOST_POINTS_WITH_WHY = 800
BY_GRAIN = {"quarter": "quarter hour", "hour": "hour", "day": "day", "month": "month", "year": "year"}
CSV_COLUMNS = (
    "start", "start_utc", "kwh", "compared_kwh", "coverage", "estimated_share", "findings", "site", "scope", "grain",
    "is_synthetic",
)  # fmt: skip


NOT_METERED = "not metered"


class Point(NamedTuple):
    """One interval. value: kWh, None where it is not known. before: of the time that it is compared with, which began
    at before_utc.
    """

    start_utc: datetime
    value: Decimal | None
    before: Decimal | None = None
    coverage: float | None = None
    estimated_share: float | None = None
    codes: tuple[str, ...] = ()
    figure_id: str = ""
    why: str = ""
    before_utc: datetime | None = None


class Use(NamedTuple):
    """One part of a site: a use, a meter below the main ones, or what none of them measures. values: as the points.
    place: among the site's uses, which says its colour.
    """

    name: Text
    scope: str
    values: tuple[Decimal | None, ...]
    place: int = 0


@dataclass(frozen=True)
class EnergyInput:
    """Input of the page. totals: figures of the whole period by what they are; heat: kWh by local day and slot.

    against: the days that `points[].before` is of. uses: parts that add up to the points, the remainder last, which has
    no scope. what: name of the energy of the points. typical: mean kWh by slot from Monday to Friday, and of the other
    days. problem: why there is nothing to show, with what to do next.
    """

    address: Address
    site_id: str
    scope: str
    scope_name: str
    period: Period
    grain: PageGrain
    header: tuple[PageBlock, ...]
    points: tuple[Point, ...] = ()
    uses: tuple[Use, ...] = ()
    what: Text = "Used"
    totals: Mapping[str, Figure] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    lookup: Mapping[str, Figure] = field(default_factory=dict)
    against: Period | None = None
    heat: Mapping[date, Mapping[str, float | None]] = field(default_factory=dict)
    typical: tuple[Mapping[str, float], ...] = ()
    age: str = ""
    made: str = ""
    findings: tuple[Finding, ...] = ()
    problem: tuple[Paragraph | Form, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    is_synthetic: bool = False


def energy_page(given: EnergyInput) -> Page:
    """The page. What cannot be shown is said in its place."""
    parts = [Part(key="asked", blocks=given.header)]
    if given.problem:
        parts.append(Part(key="state", blocks=given.problem))
    if given.totals:
        parts.append(Part(key="whole", blocks=(_figures(given),)))
    if given.points:
        parts.append(Part(key="time", blocks=(_chart(given),)))
    if 1 < len(given.heat) <= MOST_HEAT_DAYS:
        both = ((_heat(given), 8), (_typical(given), 4))
        cards = [Widget(key=each.key, title=each.title, hint=each.hint, state="value", chart=each, span=span)
                 for each, span in both]  # fmt: skip
        parts.append(Part(key="heat", blocks=(Cards(widgets=tuple(cards)),)))
    span = period_text(given.period.start, given.period.end, given.address.locale)
    csv_link = (("CSV, unrounded", given.address.href(CSV, **_own(given))),) if given.points else ()
    return Page(
        title=Sentence("Energy of {0}, {1}", given.scope_name, span),
        address=given.address,
        parts=tuple(parts),
        age=given.age,
        made=given.made,
        findings=given.findings,
        links=(*csv_link, *given.links),
        lacks="readings" if given.problem and not (given.links or isinstance(given.problem[0], Form)) else "",
        whys={each.figure_id: each.why for each in given.points if each.figure_id and each.why},
        is_synthetic=given.is_synthetic,
    )


def energy_csv(given: EnergyInput) -> str:
    """The points as a table of unrounded values, one line each, under a line of names; uses of a site stand last."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\r\n")
    lines.writerow([*CSV_COLUMNS, *(f"kwh {each.scope or NOT_METERED}" for each in given.uses)])
    local = zone(given.period.time_zone)
    for at, each in enumerate(given.points):
        lines.writerow([
            each.start_utc.astimezone(local).isoformat(), f"{each.start_utc.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            _exact(each.value), _exact(each.before), _exact(each.coverage), _exact(each.estimated_share),
            defused(" ".join(each.codes)), defused(given.site_id), defused(given.scope), given.grain,
            str(given.is_synthetic).lower(), *(_exact(use.values[at]) for use in given.uses),
        ])  # fmt: skip
    return out.getvalue()


def defused(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") and text else text


def _exact(value: Decimal | float | None) -> str:
    return "" if value is None else f"{value:f}" if isinstance(value, Decimal) else repr(value)


def _own(given: EnergyInput) -> dict[str, str | None]:
    """Address of the CSV of this very page, whatever the page took for granted."""
    more = dict(given.address.more)
    return {"site": given.site_id, "scope": given.scope, "period": given.period.label, "grain": given.grain, **more}


def _figures(given: EnergyInput) -> Cards:
    """A card a figure of the whole period, with what it is compared with."""
    found = []
    for key, title in LABELS.items():
        if key not in given.totals:
            continue
        value = _number(given, key, title)
        others = [_number(given, f"{at}/{key}", label) for at, label in BESIDE.items() if f"{at}/{key}" in given.totals]
        # The change rests on the readings of what it is compared with too: their note stands once.
        more = (*others[:1], *(each.model_copy(update={"note": _more(each, others[0])}) for each in others[1:]))
        if given.totals[key].value is None:
            found.append(Widget(key=key, title=title, state="none", reason=value.note, value=value, numbers=more))
        else:
            found.append(Widget(key=key, title=title, state="value", value=value, numbers=more))
    return Cards(widgets=tuple(each.model_copy(update={"span": 12 // len(found)}) for each in found))


def _more(change: Number, compared: Number) -> Text:
    """Note of a change, unless what it is compared with has it too."""
    return "" if change.note and str(change.note) in str(compared.note) else change.note


def _number(given: EnergyInput, key: str, label: Text) -> Number:
    figure, locale = given.totals[key], given.address.locale
    [text] = format_alike([figure.value], figure.unit, locale=locale, signed=key.startswith("change/"))
    return Number(
        label=label, text=text, unit=unit_text(figure.unit), figure_id=figure.figure_id,
        note=sentences([given.notes.get(key, ""), *_notes(figure)]),
        why=why_of(figure, given.address, given.lookup.get),
    )  # fmt: skip


LABELS = {
    "consumption_kwh": "Used",
    "register_kwh": "Energy",
    "peak_15min_kw": "Highest quarter hour",
    "cost": "Energy cost",
    "emission_kgco2e": "Carbon",
}
BESIDE = {"compared": "Compared with", "change": "Change"}


def _notes(figure: Figure) -> list[str]:
    """Note beside a number: why there is none, or how much of it was read."""
    if figure.value is None:
        return [words(figure.status)]
    is_partial = figure.coverage is not None and figure.coverage < 1
    read = [Sentence("{0} of readings", Numeral(f"{figure.coverage:.1%}"))] if is_partial else []
    return [*read, *(Sentence(words(code)) for code in figure.findings if code != "gap" or not is_partial)]


def _chart(given: EnergyInput) -> Chart:
    """Use by interval: as one row, or where the parts of a site are known by its uses."""
    points = given.points
    used = ChartRow(
        label=given.what,
        values=_floats([each.value for each in points]),
        style="none" if given.uses else "",
        figures=tuple(each.figure_id for each in points),
    )
    rows = [used, *_uses(given)]
    if given.against is not None:
        name = Sentence("Compared: {0}", period_text(given.against.start, given.against.end, given.address.locale))
        before = _floats([each.before for each in points])
        rows.append(ChartRow(label=name, role="compared", values=before, style="steps"))
    is_short = len(points) <= MOST_POINTS_WITH_WHY
    place = {int(each.start_utc.timestamp()): at for at, each in enumerate(points)}
    return Chart(
        kind="stack" if given.uses else "bars",
        key="energy",
        title=f"Energy by {BY_GRAIN[given.grain]}",
        unit=UNIT,
        x=tuple(label_of(each.start_utc, given.grain, given.period.time_zone) for each in points),
        x_title=BY_GRAIN[given.grain],
        rows=tuple(rows),
        hint=period_text(given.period.start, given.period.end, given.address.locale),
        note=_note(given),
        ticks=tuple((place[at], text) for at, text in ticks(given.period, given.address.locale) if at in place),
        at_s=tuple(place),
        time_zone=given.period.time_zone,
        remarks=tuple(map(_reading_state, points)),
        # Where an interval is a figure, its number in the table leads to the reason.
        whys=tuple(each.why for each in points) if is_short and not any(used.figures) else (),
        csv=given.address.href(CSV, **_own(given)),
        locale=given.address.locale,
    )


def _uses(given: EnergyInput) -> list[ChartRow]:
    """A row a use, each in a colour of its own, and the remainder in that of what is not metered."""
    return [
        ChartRow(label=each.name, role=PARTS[each.place % len(PARTS)], energy=None if each.scope else "other",
                 values=_floats(each.values))
        for each in given.uses
    ]  # fmt: skip


def _floats(values: Sequence[Decimal | None]) -> tuple[float | None, ...]:
    return tuple(None if each is None else float(each) for each in values)


def _note(given: EnergyInput) -> str:
    of_quarters = "Days of {0}. Gaps: no readings. A quarter hour is explained by its hour."
    note = of_quarters if given.grain == "quarter" else "Days of {0}. Gaps: no readings."
    return Sentence(note, given.period.time_zone)


def _reading_state(each: Point) -> str:
    is_partial = each.coverage is not None and each.coverage < 1
    read = Sentence("{0} of readings", Numeral(f"{each.coverage:.1%}")) if is_partial else ""
    estimated = Sentence("{0} estimated", Numeral(f"{each.estimated_share:.1%}")) if each.estimated_share else ""
    codes = [Sentence(words(code)) for code in each.codes if code not in ("gap", "estimated")]
    return sentences((read, estimated, *codes), ", ")


def _heat(given: EnergyInput) -> Chart:
    days, locale = sorted(given.heat), given.address.locale
    return Chart(
        kind="heat",
        key="heat",
        title="Load pattern by day and hour",
        unit=UNIT,
        x=tuple(short_date(day, locale) for day in days),
        x_title="day",
        ticks=tuple((at, day_of_month(days[at], locale)) for at in range(0, len(days), len(days) // 10 + 1)),
        rows=tuple(ChartRow(label=slot, values=tuple(given.heat[day].get(slot) for day in days))
                   for slot in _slots(given)),
        locale=locale,
        note=Sentence("Hours in {0} time; empty: no readings", given.period.time_zone),
    )  # fmt: skip


def _slots(given: EnergyInput) -> list[str]:
    return slots_in_order({slot for day in given.heat.values() for slot in day})


def _typical(given: EnergyInput) -> Chart:
    """The mean of each hour of the clock, of days of work and of days at the end of the week."""
    slots = _slots(given)
    rows = tuple(
        ChartRow(label=label, role=role, values=tuple(map(means.get, slots)))
        for (label, role), means in zip(TYPICAL, given.typical, strict=False)
        if means
    )
    return Chart(
        kind="line", key="typical", title="Typical day", hint="kWh, mean of each hour", unit=UNIT, x=tuple(slots),
        x_title="hour", rows=rows, locale=given.address.locale,
        ticks=tuple((at, slot) for at, slot in enumerate(slots) if slot in ("00:00", "06:00", "12:00", "18:00")),
    )  # fmt: skip


# The first means, and the second.
TYPICAL: tuple[tuple[Text, Role], ...] = (("Monday to Friday", "measured"), ("Saturday and Sunday", "third"))
