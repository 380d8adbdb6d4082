"""Widget 1: power now and its age, and the mean of the running demand window beside it. A live power is no evidence."""

from datetime import datetime

from data_quality.contracts.finding import Finding
from data_quality.contracts.live.live_value import LiveValue
from reports.pages.page import Number, Widget
from reports.pages.widgets.tile import Given, Shown, nothing, number
from reports.texts.numbers import MISSING, unit_text
from reports.writer import format_alike

KEY, TITLE = "live_kw", "Power now"
# Older is shown grey, and older than that not at all: a plant has started or stopped in the meantime.
OLD_S, GONE_S = 5.0, 60.0


class LiveKw(Given):
    """points: powers of the main meters as last told; one of several is never added to another.

    demand: mean of the running window so far, of the marts. has_source: whether any power of a main meter is told.
    """

    now_utc: datetime
    points: tuple[LiveValue, ...] = ()
    has_source: bool = True
    demand: Shown | None = None
    window_minutes: int = 0


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
    findings = list(given.findings)
    if first.quality != "measured":
        findings.append(Finding(code=first.quality, message="the meter, or its clock, is doubtful", severity="info"))
    is_gone = age_s > GONE_S
    return Widget(
        key=KEY,
        title=TITLE,
        state="none" if is_gone else "finding" if findings else "value",
        value=numbers[0],
        reason=f"no value for {age_words(age_s)}" if is_gone else "",
        age=f"told {age_words(age_s)} ago",
        numbers=(*numbers[1:], beside),
        findings=tuple(findings),
        link=given.link,
        live=f"{given.address.site}/{name}",
        is_synthetic=given.is_synthetic or first.is_synthetic,
    )


def live_number(value: LiveValue, given: LiveKw) -> Number:
    """A live value with its age; grey after five seconds, without a value after sixty."""
    age_s, name = value.age_s(given.now_utc), f"{value.source_id}/{value.point}"
    [text] = format_alike([value.value], value.unit, locale=given.locale)
    return Number(
        label=name,
        text=MISSING if age_s > GONE_S else text,
        unit=unit_text(value.unit),
        note=f"told {age_words(age_s)} ago",
        why=given.address.href("/live", site=given.address.site, scope=None, period=None, point=name),
        tone="muted" if age_s > OLD_S else "plain",
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
