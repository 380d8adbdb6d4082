"""Power now of a home: what gives, the house, and what takes, as one live flow. A live power is no evidence."""

from collections.abc import Mapping
from datetime import datetime

from data_quality.contracts.live.live_value import LiveValue
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from reports.pages.chart import Energy
from reports.pages.energies import ICONS, NAMES
from reports.pages.page import Live, Number, Picture, Widget
from reports.pages.widgets.live_kw import age_words, live_number
from reports.pages.widgets.tile import Given, nothing, table
from reports.report_content import Cell
from reports.svg.live_flow import Place, live_flow_svg
from reports.texts.locales import named, page_word, rules_of

KEY, TITLE, _OLD = "home_power", "Power now", "{0} old"


class PowerPoint(Model):
    """One live power. gives: whether a value above zero is power that the house gets."""

    value: LiveValue
    energy: Energy
    gives: bool
    name: str


class HomePower(Given):
    """points: powers as last received. silent: names of what is metered and has no live value. is_live: whether a
    source of the site measures a power. every_s: seconds between two questions by source_id. time_zone: of the site.
    """

    now_utc: datetime
    house: str
    points: tuple[PowerPoint, ...] = ()
    silent: tuple[str, ...] = ()
    is_live: bool = True
    every_s: Mapping[str, float] = {}
    time_zone: str = "UTC"


def view(given: HomePower) -> Widget:
    """The tile: one flow for wide screens and one for narrow ones, and the same as a table."""
    if not given.points:
        told = given.reason or ("no values received yet" if given.is_live else "")
        return nothing(KEY, TITLE, given, told or "no live source measures a power", is_set_up=bool(told))
    title, places = page_word(TITLE, given.locale), [(each, _number(each, given)) for each in given.points]
    sources = [_place(*each, given) for each in places if _is_source(each[0])]
    uses = [_place(*each, given) for each in places if not _is_source(each[0])]
    drawn = [
        live_flow_svg(title, given.house, sources, uses, is_narrow=is_narrow,
                      is_mirrored=rules_of(given.locale).is_right_to_left)
        for is_narrow in (False, True)
    ]  # fmt: skip
    rows = [
        [Cell(text=named(point.name)), Cell(text=number.text), Cell(text=number.live.age if number.live else "")]
        for point, number in places
    ]
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
    """Whether it gives now; what could do both and does nothing stands where it usually does."""
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
    factor = 0.001 if point.value.unit == "w" else 1.0
    sign = 1 if is_source == point.gives else -1
    return Place(
        name=page_word(NAMES[point.energy] if point.energy != "other" else named(point.name), given.locale),
        energy=energy, icon=ICONS.get(point.energy, "plug"), kw=None if is_gone else point.value.value * factor,
        text=number.text, unit=number.unit, age=page_word(live.age, given.locale), band=live.band, href=number.why,
        marks=_marks(live, given.locale) | {"data_live_sign": str(sign), "data_live_factor": f"{factor:g}"},
    )  # fmt: skip


def _marks(live: Live, locale: str) -> dict[str, str]:
    """What live.js goes on with, as on every other live number."""
    return {
        "data_live": live.point,
        "data_live_at": live.at_utc.isoformat(),
        "data_live_limits": " ".join(f"{each:g}" for each in live.limits_s),
        "data_live_told": page_word(live.told, locale),
        "data_live_days": page_word("{0} days", locale),
        "data_live_since": page_word("stale since {0}", locale),
        "data_live_zone": live.time_zone,
    }
