"""What happens this second: every live point of a site with its age and the minutes before; one point in full."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from data_quality.contracts.live.live_value import LiveValue
from data_quality.contracts.live.source_state import SourceState
from data_quality.contracts.time import CANONICAL_MINUTES, zone
from reports.pages.address import Address
from reports.pages.page import Cards, Number, Page, PageBlock, Part, Picture, Steps, Widget
from reports.pages.widgets.live_kw import GONE_S, OLD_S, age_words, decimals_of
from reports.report_content import Paragraph, Tone
from reports.svg.spark import spark_svg
from reports.texts.numbers import MISSING, format_number, unit_text

NOT_EVIDENCE = "A live value is for looking and for guards. No report, bill or figure rests on it."
Told = Sequence[tuple[datetime, SourceState]]


def live_page(
    address: Address,
    *,
    site_id: str,
    of: str,
    values: Sequence[LiveValue],
    told: Told,
    minutes: Mapping[str, tuple[float, ...]],
    now_utc: datetime,
    has_sources: bool,
    fault: str = "",
) -> Page:
    """The grid, a part a source. minutes: means of the last minutes by `source/point`, oldest first."""
    parts = []
    states = {state.source_id: (at_utc, state) for at_utc, state in told}
    for source_id in sorted({each.source_id for each in values} | set(states)):
        tiles = [
            point_tile(each, address, site_id=site_id, now_utc=now_utc, minutes=minutes)
            for each in values
            if each.source_id == source_id
        ]
        blocks: list[PageBlock] = [_state(states.get(source_id), now_utc)]
        blocks += [Cards(widgets=tuple(tiles))] if tiles else []
        parts.append(Part(key=source_id, title=source_id, blocks=tuple(blocks)))
    if fault or not parts:
        none = "the site file names no live source" if not has_sources else "no collector has told anything yet"
        parts.insert(
            0, Part(key="nothing", blocks=(Paragraph(text=fault or f"Nothing is shown: {none}.", tone="bad"),))
        )
    note = Part(key="note", blocks=(Paragraph(text=NOT_EVIDENCE, tone="muted"),))
    return Page(
        title=f"Live: {of}", address=address, parts=(*parts, note), age=f"at {now_utc:%H:%M:%S} UTC",
        is_synthetic=any(each.is_synthetic for each in values),
    )  # fmt: skip


def point_tile(
    value: LiveValue, address: Address, *, site_id: str, now_utc: datetime, minutes: Mapping[str, tuple[float, ...]]
) -> Widget:
    """One point: grey after five seconds, no value after sixty."""
    name, age_s = f"{value.source_id}/{value.point}", value.age_s(now_utc)
    decimals = decimals_of(value.value, value.unit)
    is_gone = age_s > GONE_S
    past = minutes.get(name, ())
    texts = [format_number(each, decimals=decimals, locale=address.locale) for each in past]
    number = Number(
        label=name,
        text=MISSING if is_gone else format_number(value.value, decimals=decimals, locale=address.locale),
        unit=unit_text(value.unit),
        note=f"{value.quality}; {value.stream}",
        why=address.href("/live", site=site_id, scope=None, period=None, point=name),
        tone="muted" if age_s > OLD_S else "plain",
    )
    before = Number(label=f"Means of {len(texts)} minutes", text=" · ".join(texts), unit=unit_text(value.unit))
    return Widget(
        key=name.replace("/", "-"), title=value.point, state="none" if is_gone else "value", value=number,
        reason=f"no value for {age_words(age_s)}" if is_gone else "", age=f"told {age_words(age_s)} ago",
        numbers=(before,) if len(texts) > 1 else (), picture=_minutes(name, past, texts), live=f"{site_id}/{name}",
        is_synthetic=value.is_synthetic,
    )  # fmt: skip


def _minutes(name: str, past: tuple[float, ...], texts: Sequence[str]) -> Picture | None:
    if len(past) < 2:
        return None
    title = f"Minutes of {name}"
    svg = spark_svg(title, past, text=f"means of {len(past)} minutes: {', '.join(texts)}")
    return Picture(key=f"minutes-{name}", title=title, svg=svg, caption=f"Means of the last {len(past)} minutes")


def point_page(address: Address, value: LiveValue, *, of: str, topic: str, time_zone: str, now_utc: datetime) -> Page:
    """Why a live number is what it is: where it came from, how old it is, and which quarter hour will replace it."""
    name, local = f"{value.source_id}/{value.point}", zone(time_zone)
    step = timedelta(minutes=CANONICAL_MINUTES)
    start = datetime.fromtimestamp(value.at_utc.timestamp() // step.total_seconds() * step.total_seconds(), local)
    becomes = (
        "it fills no register: energy comes from the meter's registers alone"
        if value.what == "live"
        else f"the quarter hour {start:%H:%M} to {start + step:%H:%M} of {value.stream}.{value.register_id or 'mean'}"
    )
    steps = (
        ("Told by", f"{value.source_id}, {topic}" if topic else value.source_id, ""),
        ("Stream", f"{value.stream} {value.register_id} ({value.what}, {value.unit})", ""),
        ("Measured", f"{value.at_utc.astimezone(local):%Y-%m-%d %H:%M:%S}, {age_words(value.age_s(now_utc))} ago", ""),
        ("Received", f"{value.received_utc.astimezone(local):%Y-%m-%d %H:%M:%S}", ""),
        ("Quality", value.quality, ""),
        ("Its minute", f"{value.minute_count} values, mean {value.minute_mean:g}, {value.minute_min:g} to "
         f"{value.minute_max:g} {unit_text(value.unit)}", ""),
        ("Becomes", becomes, ""),
    )  # fmt: skip
    tile = point_tile(value, address, site_id=address.site, now_utc=now_utc, minutes={})
    shown = Cards(
        widgets=(
            tile.model_copy(
                update={"value": None if tile.value is None else tile.value.model_copy(update={"why": ""})}
            ),
        )
    )
    told = Part(
        key="point", blocks=(shown, Paragraph(text=NOT_EVIDENCE), Steps(title="Where it comes from", steps=steps))
    )
    return Page(
        title=f"{name} of {of}", address=address, parts=(told,), is_synthetic=value.is_synthetic,
        links=(("All points", address.href("/live", point=None)),),
    )  # fmt: skip


def _state(found: tuple[datetime, SourceState] | None, now_utc: datetime) -> Paragraph:
    if found is None:
        return Paragraph(text="No collector tells of this source now.", tone="caution")
    at_utc, state = found
    age_s = (now_utc - at_utc).total_seconds()
    if age_s > GONE_S:
        return Paragraph(
            text=f"The collector has told nothing for {age_words(age_s)}; then it was {state.state}.", tone="bad"
        )
    tone: Tone = "good" if state.state == "live" else "caution"
    said = f"{state.state}{': ' if state.sentence else ''}{state.sentence}"
    return Paragraph(
        text=f"{said}; {state.accepted} accepted, {state.rejected} rejected, {state.missing} missing.", tone=tone
    )
