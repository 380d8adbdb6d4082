"""A chart of a page is data: rows over one axis. Scripts draw them; table and CSV are of the same rows."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from os.path import commonprefix
from typing import Any, Literal, Self

from pydantic import model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Text
from reports import report_content
from reports.chart_geometry import MAX_LABELS, flow_ends, label_places
from reports.report_content import Cell, Column, Row, Table
from reports.texts.locales import day_of_month, format_alike, month_year, named, place_text, unit_text

Kind = Literal[
    "bars", "stack", "line", "band", "cumulative", "bridge", "heat", "flow", "tree", "ranked", "scatter", "plan"
]
# One colour each, the same on every page (static/charts.css).
Energy = Literal["grid", "export", "solar", "battery", "charging", "car", "heating", "water", "gas", "cooling", "other"]
OF_KIND: Mapping[str, Energy] = {
    "pv": "solar", "battery": "battery", "ev_charger": "car", "tank": "water", "heat_pump": "heating",
    "heating_relay": "heating", "room": "heating", "grid_meter": "grid",
}  # fmt: skip
# What a row is where it is no energy of its own; a part is one of the uses or meters that a whole is made of.
Role = Literal[
    "measured", "expected", "compared", "third", "fourth", "saved", "cheap", "mid", "dear",
    "part-1", "part-2", "part-3", "part-4", "part-5", "part-6", "part-7", "part-8",
]  # fmt: skip
Style = Literal["", "bars", "line", "steps", "blocks", "none"]
PARTS: tuple[Role, ...] = ("part-1", "part-2", "part-3", "part-4", "part-5", "part-6", "part-7", "part-8")


class ChartRow(Model):
    """One row: a value for each place of the axis, None is a gap. low, high: edges of a band around the values.

    unit: as figures spell it, where it is not the chart's. style: how it is drawn, where not as its chart is; `none`
    stands in table and CSV alone, `blocks` has a lane of its own too. lane: of a plan, where the row is drawn.
    figures: ids of what the values are, which lead to their reasons.
    """

    label: Text
    values: tuple[float | None, ...]
    role: Role = "measured"
    energy: Energy | None = None
    unit: str = ""
    style: Style = ""
    is_signed: bool = False
    lane: Text = ""
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    figures: tuple[str, ...] = ()


class Limit(Model):
    """A value that the chart is read against."""

    label: Text
    value: float


class Chart(Model):
    """Rows over an axis. x: its places as people read them; x_title: what they are. unit: as figures spell it.

    ticks: where the axis is labelled and how; none: wherever there is room. at_s: instants of the places, seconds since
    1970, and time_zone: of the days that a stretch marked on the chart begins and ends with; without it none is marked.
    Of a scatter the first row is the axis. events: named places. remarks: what must be known of each place, a column of
    the table. whys: address that explains each place, where no number of its row does. csv: address of the values;
    without it the browser writes these rows. now_at: the place of now, before which things have happened. above: of a
    tree, whose first row is drawn, the place that each is a part of; -1: the whole; parts: the number of each, which
    says its colour where it is one of the whole's.
    """

    kind: Kind
    key: str
    title: Text
    unit: str
    x: tuple[Text, ...]
    rows: tuple[ChartRow, ...]
    x_title: Text = ""
    hint: Text = ""
    note: Text = ""
    ticks: tuple[tuple[int, Text], ...] = ()
    at_s: tuple[int, ...] = ()
    time_zone: str = ""
    events: tuple[tuple[int, Text], ...] = ()
    limit: Limit | None = None
    remarks: tuple[Text, ...] = ()
    whys: tuple[str, ...] = ()
    now_at: int | None = None
    above: tuple[int, ...] = ()
    parts: tuple[int, ...] = ()
    csv: str = ""
    locale: str = "en"

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        """Every list has an entry for each place of the axis."""
        sized = {name: getattr(self, name) for name in ("at_s", "above", "parts", "remarks", "whys")}
        for row in self.rows:
            sized |= {f"row {row.label!r} ({name})": getattr(row, name) for name in ("low", "high", "figures")}
            if len(row.values) != len(self.x):
                raise ValueError(f"chart {self.key!r}: row {row.label!r} does not fit its axis")
        wrong = [name for name, each in sized.items() if len(each) not in (0, len(self.x))]
        if wrong:
            raise ValueError(f"chart {self.key!r}: {', '.join(wrong)} does not fit its axis")
        return self


def chart_table(chart: Chart) -> Table:
    """The rows as people read them: a line a place of the axis, a column a row."""
    texts = [
        format_alike(row.values, row.unit or chart.unit, locale=chart.locale, signed=row.is_signed)
        for row in chart.rows
    ]
    columns = [Column(title=row.label, unit=unit_text(row.unit or chart.unit), is_number=True) for row in chart.rows]
    if any(chart.remarks):
        columns.append(Column(title="Remarks"))
    return Table(
        key=f"{chart.key}-table",
        title=chart.title,
        sheet=chart.key,
        columns=(Column(title=chart.x_title), *columns),
        rows=tuple(Row(cells=_cells(chart, texts, at)) for at in range(len(chart.x))),
    )


def _cells(chart: Chart, texts: Sequence[Sequence[str]], at: int) -> tuple[Cell, ...]:
    numbers = (
        Cell(text=text[at], figure_id=row.figures[at] if row.figures else "")
        for row, text in zip(chart.rows, texts, strict=True)
    )
    remark = (Cell(text=chart.remarks[at]),) if any(chart.remarks) else ()
    return (Cell(text=place_text(chart.x[at], chart.locale)), *numbers, *remark)


def chart_data(chart: Chart, word: Callable[[Text], str]) -> dict[str, Any]:
    """The chart as its script reads it, in a language."""
    data = chart.model_dump(
        mode="json", include={"kind", "key", "at_s", "time_zone", "now_at", "above", "parts"}, exclude_defaults=True
    )
    data |= {
        "unit": unit_text(chart.unit),
        "title": word(chart.title),
        "x_title": word(chart.x_title),
        "x": _runs([word(each) for each in chart.x]),
        "ticks": [(at, word(text)) for at, text in chart.ticks],
        "events": [(at, word(text)) for at, text in chart.events],
        "rows": [_row_data(row, chart, word) for row in chart.rows],
    }
    if chart.whys:
        # What all addresses begin with is most of each.
        shared = commonprefix(chart.whys)  # noqa: RUF071 - of addresses, letter by letter
        data |= {"why": shared, "whys": [each[len(shared) :] for each in chart.whys]}
    if chart.limit is not None:
        data["limit"] = {"label": word(chart.limit.label), "value": chart.limit.value}
    if chart.kind == "flow":
        # Flows from each place and to each row, as people read it.
        ends = flow_ends([row.values for row in chart.rows])
        texts = format_alike([*ends.sources.values(), *ends.targets.values()], chart.unit, locale=chart.locale)
        data["ends"] = [
            dict(zip(ends.sources, texts, strict=False)),
            dict(zip(ends.targets, texts[len(ends.sources) :], strict=True)),
        ]
    return data


def _runs(x: Sequence[str]) -> list[str | tuple[str, int]]:
    """Axis places; consecutive days as the first and their number, since the table has them too."""
    found: list[str | tuple[str, int]] = []
    due: date | None = None
    for name in x:
        day = _day(name)
        if day is not None and day == due and isinstance(found[-1], tuple):
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append(name if day is None else (name, 1))
        due = None if day is None else day + timedelta(days=1)
    return found


def _day(name: str) -> date | None:
    with suppress(ValueError):
        # Other spellings of a date stay as they are.
        if str(day := date.fromisoformat(name)) == name:
            return day
    return None


def _row_data(row: ChartRow, chart: Chart, word: Callable[[Text], str]) -> dict[str, Any]:
    data = row.model_dump(mode="json", exclude={"figures", "is_signed"}, exclude_defaults=True)
    data |= {"lane": word(row.lane)} if row.lane else {}
    return data | {"label": word(row.label), "role": row.role, "unit": unit_text(row.unit or chart.unit)}


_KINDS: dict[str, Kind] = {"bars": "bars", "lines": "line", "waterfall": "bridge", "heat": "heat", "flows": "flow"}
_ROLES: dict[str, Role] = {"actual": "measured", "expected": "expected", "third": "third", "fourth": "fourth"}


def chart_of(chart: report_content.Chart) -> Chart:
    """A chart of a report, as pages show it."""
    kind = _KINDS[chart.shape]
    is_banded = any(series.low for series in chart.series)
    return Chart(
        kind="band" if kind == "line" and is_banded else kind,
        key=chart.key,
        title=chart.title,
        unit=chart.unit,
        # A day stays one: the browser asks for it, and the table says it in words.
        x=tuple(each if _day(each) else named(each) for each in chart.categories),
        rows=tuple(
            ChartRow(label=each.name, values=each.values, role=_ROLES[each.role], low=each.low, high=each.high)
            for each in chart.series
        ),
        ticks=day_ticks(chart.categories, chart.locale)
        if all(map(_day, chart.categories))
        else ticks_of(chart.categories),
        note=chart.note,
        locale=chart.locale,
    )


def day_ticks(days: Sequence[str], locale: str) -> tuple[tuple[int, Text], ...]:
    """As ticks_of, of ISO days or months, in words; the year stands at its first month alone."""
    is_long = len(days) > MAX_LABELS
    found, year = list[tuple[int, Text]](), 0
    places = label_places(days, MAX_LABELS)
    # Beside the first, which has the year, a month of a small chart has no room.
    for at in places[::2] if is_long and len(places) > MAX_LABELS / 2 else places:
        day = date.fromisoformat(days[at] if len(days[at]) > len("2026-03") else f"{days[at]}-01")
        is_month = len(days[at]) == len("2026-03") or (is_long and day.day == 1)
        text = month_year(day, locale, is_short=True) if is_month else day_of_month(day, locale)
        found.append((at, named(text.removesuffix(f" {day.year}") if day.year == year else text)))
        year = day.year if is_month else year
    return tuple(found)


def ticks_of(names: Sequence[str]) -> tuple[tuple[int, Text], ...]:
    """Ticks of an axis of names or days; of many days their months."""
    is_long = len(names) > MAX_LABELS
    return tuple(
        (at, named(names[at][:7] if is_long and names[at].endswith("-01") else names[at]))
        for at in label_places(names, MAX_LABELS)
    )


def energy_of_kind(kind: str) -> Energy:
    """The energy of a kind of device; of one that has no colour of its own, the household's."""
    return OF_KIND.get(kind, "other")
