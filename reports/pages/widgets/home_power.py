"""Power now of a home as one live flow; the colour, symbol and name of each energy. A live power is no evidence."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from data_quality.contracts.live.live_value import LiveValue
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from reports.pages.chart import Energy
from reports.pages.numbers import Live, Number, Picture
from reports.pages.page import Widget
from reports.pages.widgets.live_kw import age_words, live_number
from reports.pages.widgets.tile import TileInput, nothing
from reports.report_content import Cell, table
from reports.svg.markup import element, fitted, label, picture
from reports.texts.locales import MISSING, format_number, named, page_word, rules_of, unit_text

KEY, TITLE, _OLD = "home_power", "Power now", "{0} old"
# Of sums and differences of values that are seconds apart: to 10 W.
_DECIMALS = "2"
_MOST_PX, _LEAST_PX = 44.0, 1.5
_BOX, _PITCH, _EDGE, _LEAST_HIGH = 58.0, 68.0, 4.0, 340.0
_WIDE, _NARROW = (540.0, 150.0, 100.0), (354.0, 112.0, 76.0)  # Of all, of a place, of the house.
# What uses may exceed the supply by before their difference is unknown: meters round, and live.js has the same.
_BALANCE_KW = 0.05
# Their sum, with what goes out as negative, is what the house uses.
_SUPPLY = ("grid", "solar", "battery")
ICONS: Mapping[str, str] = {
    "grid": "utility-pole", "export": "utility-pole", "solar": "sun", "battery": "battery-charging", "car": "car",
    "heating": "flame", "water": "droplets", "other": "house",
}  # fmt: skip
NAMES: Mapping[str, str] = {
    "grid": "Grid", "export": "Grid feed-in", "solar": "Solar", "battery": "Battery", "car": "Car",
    "heating": "Heating", "water": "Hot water", "other": "Household",
}  # fmt: skip


class Place(NamedTuple):
    """A source or a use. kw: None where no value is fresh enough. text, unit, age: as people read them. energy: whose
    colour it has; icon: of icons.svg. marks: attributes by which a script goes on showing it.
    """

    name: str
    energy: str
    icon: str
    kw: float | None
    text: str
    unit: str
    age: str
    band: str
    href: str
    marks: Mapping[str, str]


def live_flow_svg(
    title: str, house: str, sources: Sequence[Place], uses: Sequence[Place], *, is_narrow: bool, is_mirrored: bool,
    used: str = "",
) -> str:  # fmt: skip
    """The drawing. house: what stands between; used: its power in kW. is_narrow: of a phone;
    is_mirrored: for who reads from the right.
    """
    (wide, box, hub), rows = _NARROW if is_narrow else _WIDE, max(len(sources), len(uses), 2)
    pitch = _PITCH if is_narrow else max(_PITCH, min(100.0, _LEAST_HIGH / rows))
    high, inside = rows * pitch + 2 * _EDGE, list[str]()
    most = max((abs(each.kw or 0.0) for each in (*sources, *uses)), default=0.0) or 1.0
    for places, is_source in ((sources, True), (uses, False)):
        scale = min(_MOST_PX, (high - 40) / max(len(places), 1)) / most
        widths = [max(_px(each, scale), 6.0) for each in places]
        left = is_source != is_mirrored
        x = _EDGE if left else wide - _EDGE - box
        outer, inner = (x + box, (wide - hub) / 2) if left else (x, (wide + hub) / 2)
        for row, each in enumerate(places):
            y = high / 2 + (row - (len(places) - 1) / 2) * pitch
            ends = (outer, y), (inner, high / 2 - sum(widths) / 2 + sum(widths[:row]) + widths[row] / 2)
            way = _way(*(ends if is_source else ends[::-1]))
            inside.append(_drawn(each, (x, y - _BOX / 2, box), way, scale, is_narrow=is_narrow))
    tall = 86.0 if used else 68.0
    top = (high - tall) / 2
    inside.append(element("rect", x=(wide - hub) / 2, y=top, width=hub, height=tall, rx=16.0, class_="box"))
    inside.append(_icon("house", wide / 2 - 12, top + 10, 24.0))
    inside.append(label(wide / 2, top + 54, house, anchor="middle", kind="soft", room=hub - 8))
    if used:
        kw = element("tspan", text=used, data_live_used=_DECIMALS)
        parts = kw, element("tspan", text=unit_text("kw"), dx=3)
        inside.append(element("text", *parts, x=wide / 2, y=top + 74, text_anchor="middle", class_="kw"))
    description = "; ".join(f"{each.name}: {each.text} {each.unit}" for each in (*sources, *uses))
    kind = "flow narrow" if is_narrow else "flow"
    return picture(wide, high, title=title, description=description, kind=kind, inside=inside, role="group")


def _px(place: Place, scale: float) -> float:
    return max(abs(place.kw) * scale, _LEAST_PX) if place.kw else 0.0


def _way(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (to_x, to_y), middle = start, end, (start[0] + end[0]) / 2
    return f"M{x:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"


def _drawn(place: Place, box: tuple[float, float, float], way: str, scale: float, *, is_narrow: bool) -> str:
    (x, y, width), indent = box, 38.0 if is_narrow else 54.0
    inside = (
        element("path", d=way, class_="rib", stroke_width=_px(place, scale), data_live_scale=f"{scale:.4f}"),
        element("path", d=way, class_="run"),
        element("rect", x=x, y=y, width=width, height=_BOX, rx=12.0, class_="box"),
        element("circle", cx=x + indent / 2 + 1, cy=y + _BOX / 2, r=indent * 0.3),
        _icon(place.icon, x + indent / 2 - 7, y + _BOX / 2 - 8, 16.0),
        *_lines(place, x + indent, y + (23 if is_narrow else 17), width - indent - 4, is_narrow=is_narrow),
    )
    state = f"place e-{place.energy} live-{place.band}{'' if place.kw else ' flow-off'}"
    return element("a", *inside, href=place.href, class_=state, **place.marks)


def _lines(place: Place, x: float, y: float, room: float, *, is_narrow: bool) -> Iterator[str]:
    yield label(x, y, place.name, kind="soft", room=room)
    parts = element("tspan", text=place.text, data_live_value="1"), element("tspan", text=place.unit, dx=3)
    yield element("text", *parts, x=x, y=y + 19, class_="kw")
    if not is_narrow:
        yield element("text", text=fitted(place.age, room), x=x, y=y + 34, class_="age", data_live_age="1")


def _icon(name: str, x: float, y: float, size: float) -> str:
    # The sheet's own address is known to who draws the page.
    return element("svg", element("use", href=f"icons.svg#{name}"), x=x, y=y, width=size, height=size, class_="ico")


class PowerPoint(Model):
    """One live power. gives: whether a value above zero is power that the house gets. is_part: another point of the
    house measures it too.
    """

    value: LiveValue
    energy: Energy
    gives: bool
    name: str
    is_part: bool = False

    @property
    def kw(self) -> float:
        """Its value in kW."""
        return self.value.value * (0.001 if self.value.unit == "w" else 1.0)


class HomePower(TileInput):
    """points: powers as last received. silent: names of what is metered and has no live value. is_live: whether a
    source of the site measures a power. has_rest: every supply is live, so that the rest of it is used by what has no
    live meter. every_s: seconds between two questions by source_id. time_zone: of the site.
    """

    now_utc: datetime
    house: str
    points: tuple[PowerPoint, ...] = ()
    silent: tuple[str, ...] = ()
    is_live: bool = True
    has_rest: bool = False
    every_s: Mapping[str, float] = {}
    time_zone: str = "UTC"


def view(given: HomePower) -> Widget:
    """The tile: one flow for wide screens and one for narrow ones, and the same as a table."""
    if not given.points:
        reason = given.reason or ("no values received yet" if given.is_live else "")
        return nothing(KEY, TITLE, given, reason or "no live source measures a power", is_set_up=bool(reason))
    title, places = page_word(TITLE, given.locale), [(each, _number(each, given)) for each in given.points]
    sources = [_place(*each, given) for each in places if _is_source(each[0])]
    uses = [_place(*each, given) for each in places if not _is_source(each[0])]
    uses += [_rest(places, "Other" if uses else NAMES["other"], given)] if given.has_rest else []
    house, used = given.house, ""
    if given.has_rest:
        house, used = page_word("In use", given.locale), _used(places, given.locale)
    drawn = [
        live_flow_svg(title, house, sources, uses, is_narrow=is_narrow, used=used,
                      is_mirrored=rules_of(given.locale).is_right_to_left)
        for is_narrow in (False, True)
    ]  # fmt: skip
    rows = [
        [Cell(text=named(point.name)), Cell(text=number.text), Cell(text=number.live.age if number.live else "")]
        for point, number in places
    ]
    rows += [[Cell(text=each.name), Cell(text=each.text), Cell(text=each.age)] for each in uses[-1:] if given.has_rest]
    silent = Sentence("Not measured live: {0}", ", ".join(given.silent)) if given.silent else ""
    return Widget(
        key=KEY, title=TITLE, state="value", reason=silent, link=given.link, is_synthetic=given.is_synthetic,
        findings=given.findings,
        picture=Picture(key=KEY, title=TITLE, svg="".join(drawn), caption=TITLE, is_live=True),
        table=table(KEY, TITLE, [("Meter", ""), ("Power", "kW"), ("Age", "")], rows),
    )  # fmt: skip


def _number(point: PowerPoint, given: HomePower) -> Number:
    found = live_number(
        point.value, given.address, now_utc=given.now_utc, every_s=given.every_s, time_zone=given.time_zone
    )
    age = Sentence(_OLD, age_words(point.value.age_s(given.now_utc)))
    # Short, for it stands in a small box; and on the picture a direction is a side, not a sign.
    live = None if found.live is None else found.live.model_copy(update={"told": Sentence(_OLD, "{0}"), "age": age})
    return found.model_copy(update={"text": found.text.lstrip("-−"), "live": live})


def _is_source(point: PowerPoint) -> bool:
    """True where it gives now; what could do both and does nothing stands where it usually does."""
    kw = point.value.value
    return point.gives if not kw else point.gives == (kw > 0) or (point.energy == "solar")


def _place(point: PowerPoint, number: Number, given: HomePower) -> Place:
    live = number.live
    if live is None:
        raise ValueError(f"{point.name} is no live number")
    is_source, is_gone = _is_source(point), live.band == "gone"
    energy: str = point.energy
    if not is_source and energy in ("grid", "battery"):
        energy = "export" if energy == "grid" else "charging"
    # Of a value in its unit the kW that the house gets.
    factor = (0.001 if point.value.unit == "w" else 1.0) * (1 if point.gives else -1)
    counted = {} if point.is_part else {"data_live_kw": f"{point.value.value * factor:g}"}
    counted |= {"data_live_supply": "1"} if point.energy in _SUPPLY else {}
    return Place(
        name=page_word(NAMES[point.energy] if point.energy != "other" else named(point.name), given.locale),
        energy=energy, icon=ICONS.get(point.energy, "plug"), kw=None if is_gone else point.kw,
        text=number.text, unit=number.unit, age=page_word(live.age, given.locale), band=live.band, href=number.why,
        marks=_marks(live, given.locale) | counted | _flow_marks(factor, is_source=is_source),
    )  # fmt: skip


def _used(places: Sequence[tuple[PowerPoint, Number]], locale: str) -> str:
    """Supply of the house in kW, which is what it uses, as people read it; unknown while one is."""
    supply = [(point, number.live) for point, number in places if point.energy in _SUPPLY and not point.is_part]
    kw = max(sum(each.kw * (1 if each.gives else -1) for each, _ in supply), 0.0)
    is_gone = any(live is not None and live.band == "gone" for _, live in supply)
    return MISSING if is_gone else format_number(kw, decimals=int(_DECIMALS), locale=locale)


def _rest(places: Sequence[tuple[PowerPoint, Number]], name: str, given: HomePower) -> Place:
    """Use without a live meter: supply less metered uses.

    Unknown while a value is, and while the uses exceed the supply, since values of a moment are seconds apart.
    """
    difference_kw = sum(each.kw * (1 if each.gives else -1) for each, _ in places if not each.is_part)
    kw = max(difference_kw, 0.0)
    is_gone = any(number.live is not None and number.live.band == "gone" for _, number in places)
    text = format_number(kw, decimals=int(_DECIMALS), locale=given.locale) if difference_kw >= -_BALANCE_KW else MISSING
    return Place(
        name=page_word(name, given.locale), energy="other", icon="house" if name == NAMES["other"] else "plug",
        kw=None if is_gone else kw, text=MISSING if is_gone else text, unit=unit_text("kw"),
        age=page_word("not metered", given.locale), band="gone" if is_gone else "fresh", href=given.link,
        marks={"data_live_rest": _DECIMALS} | _flow_marks(-1.0, is_source=False),
    )  # fmt: skip


def _flow_marks(factor: float, *, is_source: bool) -> dict[str, str]:
    """Marks by which the script draws a ribbon. factor: of a value in its unit the kW that the house gets."""
    return {"data_live_sign": "1" if is_source else "-1", "data_live_factor": f"{factor:g}"}


def _marks(live: Live, locale: str) -> dict[str, str]:
    """Marks that live.js goes on with, as on every other live number."""
    return {
        "data_live": live.point,
        "data_live_at": live.at_utc.isoformat(),
        "data_live_limits": " ".join(f"{each:g}" for each in live.limits_s),
        "data_live_told": page_word(live.told, locale),
        "data_live_days": page_word("{0} days", locale),
        "data_live_since": page_word("stale since {0}", locale),
        "data_live_zone": live.time_zone,
    }
