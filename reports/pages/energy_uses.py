"""Energy uses against their baselines: the list of all, and what the page of one is given.

Days of an energy use as charts: metered against expected, running savings, and energy by its first driver.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from assets.kpi.enpi.use_register import SeuLine
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.sentence import Numeral, Sentence, Text
from reports.assess import SHOWN, Quarter
from reports.datasets.base import DayPoint
from reports.figures.use_data import Driver, UseDays
from reports.pages.address import Address, why_measure
from reports.pages.chart import Chart, ChartRow, Role, day_ticks
from reports.pages.numbers import Number
from reports.pages.page import Cards, Page, PageBlock, Part, Widget
from reports.report_content import Cell, Paragraph, table
from reports.texts.locales import format_alike, named, period_text, span_text
from reports.writer import words

UNIT = "kwh"


def day_charts(
    days: UseDays, events: Sequence[tuple[str, Text]], locale: str, *, training: UseDays | None = None
) -> tuple[Chart, ...]:
    """The charts that the days can feed. events: ISO day and name. training: the days that the model was fitted on."""
    names = tuple(str(each.day) for each in days.actual)
    if not any(each.value is not None for each in days.actual):
        return ()
    marks = tuple((names.index(day), text) for day, text in events if day in names)

    def chart(kind: str, key: str, title: str, *rows: ChartRow, hint: str = "", note: str = "") -> Chart:
        return Chart.model_validate({
            "kind": kind, "key": key, "title": title, "unit": UNIT, "hint": hint, "note": note, "x": names,
            "rows": rows, "x_title": "day", "ticks": day_ticks(names, locale), "locale": locale, "events": marks,
        })  # fmt: skip

    actual, expected = _row("Actual", "measured", days.actual), _row("Expected", "expected", days.expected)
    title = "Actual against expected"
    made = [chart("band", "days", title, actual, expected, hint="kWh by day, with the band of the model")]
    if days.saved:
        note = (
            "It rises while less energy is used than expected. Where all of the band is above zero, energy was saved."
        )
        saved = _row("Saved", "saved", days.saved)
        made.append(chart("cumulative", "savings", "Cumulative sum of savings", saved, hint="CUSUM, kWh", note=note))
    if days.driver is not None:
        made.append(_by_driver(days, days.driver, training or UseDays(), locale))
    return tuple(made)


def _by_driver(days: UseDays, driver: Driver, training: UseDays, locale: str) -> Chart:
    """A point a day over the driver: what the model was fitted on, what it expects, and what was metered."""
    is_trained = training.driver is not None and training.driver.name == driver.name
    before = training if is_trained and not _days(training) & _days(days) else UseDays()
    count = len(before.actual)
    gap = (None,) * count
    along = (*(before.driver.values if before.driver is not None else ()), *driver.values)
    rows = [ChartRow(label=named(driver.name), unit=driver.unit, values=along, role="compared")]
    if count:
        trained = (*_values(before.actual), *((None,) * len(days.actual)))
        rows.append(ChartRow(label="Training", role="third", values=trained))
    rows.append(ChartRow(label="Expected", role="compared", values=(*gap, *_values(days.expected))))
    rows.append(ChartRow(label="Actual", values=(*gap, *_values(days.actual))))
    return Chart(
        kind="scatter", key="driver", title="Energy by driver", unit=UNIT, hint="kWh, a point a day", x_title="day",
        x=tuple(str(each.day) for each in (*before.actual, *days.actual)), rows=tuple(rows), locale=locale,
    )  # fmt: skip


def _days(days: UseDays) -> set[date]:
    return {each.day for each in days.actual}


def _values(points: Sequence[DayPoint]) -> tuple[float | None, ...]:
    # A picture needs no exact digits.
    return tuple(None if each.value is None else round(each.value, 3) for each in points)


def _row(label: str, role: Role, points: Sequence[DayPoint]) -> ChartRow:
    has_band = any(each.low is not None for each in points)
    return ChartRow(
        label=label,
        role=role,
        values=_values(points),
        low=tuple(each.low for each in points) if has_band else (),
        high=tuple(each.high for each in points) if has_band else (),
    )


ENPI, FORECASTS, _DEVIATION = "/enpi", "/forecast", "deviation_percent"
BASELINES = "/baselines"
NONE = Cell(text="–", tone="muted")
# What the page of forecasts does not take of an address.
_OWN = ("scope", "period", "grain", "compare", "as_of")


def use_address(address: Address, site_id: str, seu_id: str, **changes: str | None) -> str:
    """Address of the page of one use."""
    return address.href(f"{ENPI}/{site_id}/{seu_id}", **{"site": None, "scope": None, **changes})


def version_address(address: Address, site_id: str, seu_id: str, version: int) -> str:
    """Address of the review of a version of its baseline."""
    kept = {"site": None, "scope": None, "period": None, "baseline": None}
    return address.href(f"{BASELINES}/{site_id}/{seu_id}", **kept, version=str(version))


def why_quarter(quarter: Quarter, address: Address, site_id: str, measure: str) -> str:
    """The address that explains one of its numbers."""
    return why_measure(address, site_id, quarter.result.seu_id, measure, quarter.period, quarter.baseline)


def enpi_list(lines: Sequence[tuple[SeuLine, Quarter | None]], address: Address, *, sites: Mapping[str, str]) -> Page:
    """Every use with its baseline and how it stood in the newest quarter that can be assessed. sites: names by id."""
    of_sites = ("Site",) if len(sites) > 1 else ()
    columns = (
        "Energy use", *of_sites, "Source", "Baseline", "Newest quarter", ("Deviation", "%"), "Status", "Last report",
    )  # fmt: skip
    rows = [
        (
            *_line_cells(line, sites[line.site] if of_sites else "", address), *_standing_cells(newest, address.locale),
            span_text(line.last_report, "UTC", address.locale) if line.last_report else NONE,
        )
        for line, newest in lines
    ]  # fmt: skip
    whys = {
        newest.figures[_DEVIATION].figure_id: why_quarter(newest, address, line.site, _DEVIATION)
        for line, newest in lines
        if newest is not None
    }
    block: PageBlock = table("uses", "Energy uses", columns, rows)
    if not lines:
        named_sites = ", ".join(sites.values()) or "yours"
        block = Paragraph(text=Sentence("No site file of {0} names a significant energy use.", named_sites))
    return Page(
        title="Energy performance", address=address, whys=whys, chips={"uses": len(columns) - 2},
        parts=(Part(key="uses", blocks=(_newest_cards(lines, address), block)),),
        hints={name: site_id for site_id, name in sites.items()},
        links=(("Forecasts", address.href(FORECASTS, **dict.fromkeys(_OWN))),),
        is_synthetic=any(each is not None and each.result.is_synthetic for _, each in lines),
    )  # fmt: skip


# More cards than these are no first look: the table says the same.
_MOST_CARDS = 8


def _newest_cards(lines: Sequence[tuple[SeuLine, Quarter | None]], address: Address) -> Cards:
    """A card a use: its deviation from expected in the newest quarter, and how it stands."""
    known = [(line, newest) for line, newest in lines if newest is not None]
    cards = []
    for line, newest in known if len(known) <= _MOST_CARDS else ():
        deviation, span = newest.figures[_DEVIATION], newest.period
        [text] = format_alike([deviation.value], "percent", locale=address.locale, signed=True)
        quarter = period_text(span.start, span.end, address.locale)
        note = Sentence("against expected in {0}: {1}", quarter, Sentence(words(newest.standing)))
        value = Number(
            label="Deviation",
            text=text,
            unit="%",
            note=note,
            tone=newest.tone,
            why=why_quarter(newest, address, line.site, _DEVIATION),
            figure_id=deviation.figure_id,
        )
        cards.append(
            Widget(key=f"use-{line.site}-{line.id}", title=named(line.name), state="value", value=value, span=3,
                   link=use_address(address, line.site, line.id))
        )  # fmt: skip
    return Cards(widgets=tuple(cards))


def _line_cells(line: SeuLine, site: str, address: Address) -> tuple[Cell, ...]:
    number, _, status = (line.baseline or "none yet").rpartition("/enb ")[2].partition(" ")
    baseline = Sentence("{0} {1}", number, Sentence(status)) if line.baseline else "none yet"
    tone = "plain" if line.has_approved_baseline else "muted"
    name = Cell(text=named(line.name), href=use_address(address, line.site, line.id))
    of_site = (Cell(text=named(site)),) if site else ()
    return (name, *of_site, Cell(text=words(line.source)), Cell(text=baseline, tone=tone))


def _standing_cells(quarter: Quarter | None, locale: str) -> tuple[Cell, ...]:
    if quarter is None:
        return (NONE, NONE, Cell(text=words("not_assessable"), tone="muted"))
    deviation = quarter.figures[_DEVIATION]
    [text] = format_alike([deviation.value], "percent", locale=locale, signed=True)
    number = Cell(text=text, figure_id=deviation.figure_id, decimals=1)
    period = period_text(quarter.period.start, quarter.period.end, locale, is_short=True)
    return (Cell(text=period), number, Cell(text=words(quarter.standing), tone=quarter.tone))


def formula_of(version: BaselineVersion) -> str:
    """The model in one line, kWh a day."""
    terms = [
        f"{term.value:.6g}" if term.name == "intercept" else f"{term.value:.6g}*{term.name}"
        for term in version.baseline.coefficients
    ]
    return Sentence("Energy [kWh/day] = {0}", Numeral(" + ".join(terms).replace("+ -", "- ")))


def quarters_csv(quarters: Sequence[Quarter]) -> list[list[str]]:
    """The quarters unrounded, head first."""
    head = ["quarter", "start", "end", *SHOWN, "status", "reason", "significant", "baseline_id", "baseline_version"]
    rows = []
    for each in quarters:
        result = each.result
        numbers = ["" if each.figures[name].value is None else str(each.figures[name].value) for name in SHOWN]
        sure = "" if result.significant is None else str(result.significant).lower()
        rows.append([
            each.period.label, str(each.period.start), str(each.period.end), *numbers, result.status, result.reason,
            sure, result.baseline_id, str(result.baseline_version or ""),
        ])  # fmt: skip
    return [head, *rows]
