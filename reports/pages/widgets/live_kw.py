"""Widget 1: power now and its age, and the mean of the running demand window beside it. A live power is no evidence."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from data_quality.contracts.finding import Finding
from data_quality.contracts.live.live_value import OLD_S, LiveValue, limits_s
from data_quality.contracts.sentence import Sentence
from reports.pages.address import WHY, Address
from reports.pages.numbers import Live, Number, Picture
from reports.pages.page import Widget
from reports.pages.widgets.tile import TileFigure, TileInput, nothing, number, tile
from reports.svg.markup import spark_svg
from reports.texts.locales import MISSING, format_alike, named, page_word, unit_text

KEY, TITLE = "live_kw", "Power now"


class LiveKw(TileInput):
    """points: powers of the main meters as last told; one of several is never added to another.

    demand: mean of the running window so far, of the marts. has_source: whether any power of a main meter is told.
    every_s: seconds between two questions by source_id, of those that are asked. time_zone: of the site. hours: energy
    of the day's hours so far, kWh, None where it is not known.
    """

    now_utc: datetime
    points: tuple[LiveValue, ...] = ()
    has_source: bool = True
    demand: TileFigure | None = None
    window_minutes: int = 0
    every_s: Mapping[str, float] = {}
    time_zone: str = "UTC"
    hours: tuple[float | None, ...] = ()


def view(given: LiveKw) -> Widget:
    """The tile; where there are no live values, the running window of the marts alone."""
    window = Sentence("of {0} minutes", given.window_minutes) if given.window_minutes else ""
    mean = number("Mean of the running window", given.demand, given.locale, note=window)
    if not given.points:
        reason = given.reason or ("no values received yet" if given.has_source else "")
        if given.demand is None or given.demand.figure.value is None:
            why = reason or "no live source measures the power of a main meter"
            return nothing(KEY, TITLE, given, why, is_set_up=bool(reason)).model_copy(update={"link": ""})
        silent = [Finding(code="no_live", message=reason, severity="info")] if reason else []
        bare = given.model_copy(update={"link": ""})
        return tile(KEY, "Demand, last window", bare, given.demand, label=mean.label, note=window, findings=silent)
    at, beat, clock = given.now_utc, given.every_s, given.time_zone
    numbers = [live_number(each, given.address, now_utc=at, every_s=beat, time_zone=clock) for each in given.points]
    first = given.points[0]
    findings = list(given.findings)
    if first.quality != "measured":
        findings.append(Finding(code=first.quality, message="the meter, or its clock, is doubtful", severity="info"))
    made = live_tile(KEY, TITLE, numbers[0], findings=findings, numbers=(*numbers[1:], mean))
    of_given = {"link": given.link, "is_synthetic": given.is_synthetic or first.is_synthetic, "picture": _hours(given)}
    return made.model_copy(update=of_given)


def _hours(given: LiveKw) -> Picture | None:
    """The day so far as a line: energy of an hour in kWh is its mean power in kW."""
    if sum(each is not None for each in given.hours) < 3:
        return None
    caption = page_word("Energy by the hour", given.locale)
    return Picture(key=KEY, title=TITLE, svg=spark_svg(caption, given.hours, text=caption), caption=caption)


def live_number(
    value: LiveValue, address: Address, *, now_utc: datetime, every_s: Mapping[str, float], time_zone: str
) -> Number:
    """A live value with its age: grey where it is old, a dash where it is gone. every_s, time_zone: as of LiveKw."""
    name, beat_s = f"{value.source_id}/{value.point}", every_s.get(value.source_id, 0.0)
    band = value.band(now_utc, beat_s)
    [text] = format_alike([value.value], value.unit, locale=address.locale)
    # Where the limits follow the beat of the source, the beat is named.
    pattern = "{0} old, polled every {1}" if 2 * beat_s > OLD_S else "{0} old"
    beat = f"{beat_s:g} s"
    live = Live(
        point=f"{address.site}/{name}", at_utc=value.at_utc, limits_s=limits_s(beat_s), band=band,
        told=Sentence(pattern, "{0}", beat), age=Sentence(pattern, age_words(value.age_s(now_utc)), beat),
        time_zone=time_zone, locale=address.locale,
    )  # fmt: skip
    return Number(
        label=named(name),
        text=MISSING if band == "gone" else text,
        unit=unit_text(value.unit),
        note=live.why_gone if band == "gone" else "",
        why=address.href(WHY, site=address.site, scope=None, period=None, point=name),
        tone="plain" if band == "fresh" else "muted",
        live=live,
    )


def live_tile(
    key: str, title: str, number: Number, *, findings: Sequence[Finding] = (), numbers: Sequence[Number] = ()
) -> Widget:
    """A tile whose value is a live number: its age at the head, and a reason where the value is gone."""
    live = number.live
    is_gone = live is not None and live.band == "gone"
    return Widget(
        key=key, title=title, state="none" if is_gone else "finding" if findings else "value", value=number,
        reason=live.why_gone if live is not None and is_gone else "", age="" if live is None else live.age,
        findings=tuple(findings), numbers=tuple(numbers),
    )  # fmt: skip


def decimals_of(value: float, unit: str) -> int:
    """Decimals with which a live value is shown: those of every other number."""
    [text] = format_alike([value], unit)
    return len(text.partition(".")[2])


def age_words(seconds: float) -> str:
    """2 s, 4 min, 3 h, 12 days: as coarse as it matters."""
    for unit, size, until in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < until:
            return f"{int(seconds // size)} {unit}"
    return Sentence("{0} days", int(seconds // 86_400))
