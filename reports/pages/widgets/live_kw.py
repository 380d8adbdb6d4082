"""Widget 1: power now and its age, and the mean of the running demand window beside it. A live power is no evidence."""

from collections.abc import Mapping
from datetime import datetime

from data_quality.contracts.finding import Finding
from data_quality.contracts.live.live_value import LiveValue
from reports.pages.page import Number, Widget
from reports.pages.why_links import WHY
from reports.pages.widgets.tile import Given, Shown, nothing, number
from reports.texts.locales import named
from reports.texts.numbers import MISSING, unit_text
from reports.writer import format_alike

KEY, TITLE = "live_kw", "Power now"
# Older is shown grey, and older than that not at all: a plant has started or stopped in the meantime.
OLD_S, GONE_S = 5.0, 60.0


class LiveKw(Given):
    """points: powers of the main meters as last told; one of several is never added to another.

    demand: mean of the running window so far, of the marts. has_source: whether any power of a main meter is told.
    every_s: seconds between two questions by source_id, of those that are asked.
    """

    now_utc: datetime
    points: tuple[LiveValue, ...] = ()
    has_source: bool = True
    demand: Shown | None = None
    window_minutes: int = 0
    every_s: Mapping[str, float] = {}


def limits_s(every_s: float = 0.0) -> tuple[float, float]:
    """Ages from which a value is grey and from which there is none: 5 and 60 s, and for a source that is asked seldom
    twice and four times the seconds between two questions.
    """
    return max(OLD_S, 2 * every_s), max(GONE_S, 4 * every_s)


def beat_words(every_s: float = 0.0) -> str:
    """What is said behind the age where the limits follow the source's own beat."""
    return f", asked every {every_s:g} s" if 2 * every_s > OLD_S else ""


def view(given: LiveKw) -> Widget:
    """The tile; where nothing is told live, the running window of the marts stands alone."""
    beside = number("Mean of the running window", given.demand, given.locale, note=_window(given))
    if not given.points:
        told = "no value has come yet" if given.has_source else "no live source tells the power of a main meter"
        widget = nothing(KEY, TITLE, given, given.reason or told)
        return widget.model_copy(update={"numbers": (beside,), "link": ""})
    numbers = [live_number(each, given) for each in given.points]
    first = given.points[0]
    age_s, name = first.age_s(given.now_utc), f"{first.source_id}/{first.point}"
    every_s = given.every_s.get(first.source_id, 0.0)
    findings = list(given.findings)
    if first.quality != "measured":
        findings.append(Finding(code=first.quality, message="the meter, or its clock, is doubtful", severity="info"))
    is_gone = age_s > limits_s(every_s)[1]
    return Widget(
        key=KEY,
        title=TITLE,
        state="none" if is_gone else "finding" if findings else "value",
        # Its age stands at the head of the tile, where it goes on.
        value=numbers[0] if is_gone else numbers[0].model_copy(update={"note": ""}),
        reason=f"no value for {age_words(age_s)}" if is_gone else "",
        age=f"told {age_words(age_s)} ago{beat_words(every_s)}",
        numbers=(*numbers[1:], beside),
        findings=tuple(findings),
        link=given.link,
        live=f"{given.address.site}/{name}",
        live_limits_s=limits_s(every_s),
        live_beat=beat_words(every_s),
        is_synthetic=given.is_synthetic or first.is_synthetic,
    )


def live_number(value: LiveValue, given: LiveKw) -> Number:
    """A live value with its age, grey and gone by `limits_s`."""
    age_s, name = value.age_s(given.now_utc), f"{value.source_id}/{value.point}"
    old_s, gone_s = limits_s(given.every_s.get(value.source_id, 0.0))
    [text] = format_alike([value.value], value.unit, locale=given.locale)
    return Number(
        label=named(name),
        text=MISSING if age_s > gone_s else text,
        unit=unit_text(value.unit),
        note=f"told {age_words(age_s)} ago",
        why=given.address.href(WHY, site=given.address.site, scope=None, period=None, point=name),
        tone="muted" if age_s > old_s else "plain",
    )


def decimals_of(value: float, unit: str) -> int:
    """Decimals with which a live value is shown: those of every other number."""
    [text] = format_alike([value], unit)
    return len(text.partition(".")[2])


def age_words(seconds: float) -> str:
    """2 s, 4 min, 3 h, 12 days: as coarse as it matters."""
    for unit, size, until in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < until:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds // 86_400)} days"


def _window(given: LiveKw) -> str:
    return f"of {given.window_minutes} minutes" if given.window_minutes else ""
