"""Live points: a row for each with its age and the minutes before; one point in full."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from data_quality.contracts.live.live_value import GONE_S, LiveValue
from data_quality.contracts.live.source_state import SourceState
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, clock_of, zone
from reports.pages.address import Address
from reports.pages.numbers import Picture
from reports.pages.page import Cards, Look, Page, PageBlock, Part, PointRow, Points, PointSource, Steps, Strip
from reports.pages.widgets.live_kw import age_words, decimals_of, live_number, live_tile
from reports.report_content import Paragraph
from reports.svg.markup import spark_svg
from reports.texts.locales import format_number, moment, named, unit_text

NOT_EVIDENCE = "Live values are indicative and not used in reports or bills."
Received = Sequence[tuple[datetime, SourceState]]


def live_page(
    address: Address,
    *,
    site: Site,
    values: Sequence[LiveValue],
    received: Received,
    minutes: Mapping[str, tuple[float, ...]],
    now_utc: datetime,
    has_sources: bool,
    every_s: Mapping[str, float],
    fault: str = "",
) -> Page:
    """The sources as one table, a row a point. minutes: means of the last minutes by `source/point`, oldest first.
    every_s: seconds between two questions by source, of those that are asked.
    """
    states = {state.source_id: (at_utc, state) for at_utc, state in received}
    sources: list[PointSource] = []
    for source_id in sorted({each.source_id for each in values} | set(states)):
        rows = tuple(
            _point(each, address, site=site, now_utc=now_utc, past=minutes.get(_name(each), ()), every_s=every_s)
            for each in values
            if each.source_id == source_id
        )
        state, look, about = _state(states.get(source_id), now_utc)
        title = named(_in_words(site.source_name(source_id)))
        sources.append(PointSource(title=title, state=(state, look), about=about, rows=rows))
    blocks: list[PageBlock] = []
    if fault or not sources:
        none = "the site file names no live source" if not has_sources else "no data received yet"
        blocks.append(Paragraph(text=fault or f"Nothing is shown: {none}.", tone="bad" if fault else "muted"))
    elif len(states) > 1 and all(_is_silent(each, now_utc) for each in states.values()):
        since = age_words(min((now_utc - at_utc).total_seconds() for at_utc, _ in states.values()))
        gone = Sentence("No source has sent a value for {0}. Start the collector: meterloom up", since)
        blocks.append(Strip(label="No connection.", text=gone, tone="bad"))
        sources = [each.model_copy(update={"about": ""}) for each in sources]
    if sources:
        blocks.append(Points(sources=tuple(sources)))
    blocks.append(Paragraph(text=NOT_EVIDENCE, tone="muted"))
    return Page(
        title=Sentence("Connections: {0}", site.name), address=address,
        parts=(Part(key="points", blocks=tuple(blocks)),),
        age=Sentence("at {0}", f"{now_utc.astimezone(zone(site.time_zone)):%H:%M:%S}"),
        is_synthetic=any(each.is_synthetic for each in values),
        awaits=site.site_id if has_sources and not values else "", links=(("Data", address.href("/data")),),
        lacks="" if has_sources or values else "source",
    )  # fmt: skip


def _in_words(name: str) -> str:
    return name[:1].upper() + name[1:]


def _name(value: LiveValue) -> str:
    return f"{value.source_id}/{value.point}"


def _point(
    value: LiveValue, address: Address, *, site: Site, now_utc: datetime, past: tuple[float, ...],
    every_s: Mapping[str, float],
) -> PointRow:  # fmt: skip
    """One point with its age and the means of its last minutes."""
    decimals = decimals_of(value.value, value.unit)
    texts = [format_number(each, decimals=decimals, locale=address.locale) for each in past]
    number = live_number(value, address, now_utc=now_utc, every_s=every_s, time_zone=site.time_zone)
    title = named(_in_words(site.stream_name(value.stream)))
    return PointRow(
        name=title, point=_name(value), number=number.model_copy(update={"label": title}),
        quality=Sentence(value.quality), picture=_minutes(_name(value), past, texts),
    )  # fmt: skip


def _minutes(name: str, past: tuple[float, ...], texts: Sequence[str]) -> Picture | None:
    if len(past) < 2:
        return None
    title = f"Minutes of {name}"
    svg = spark_svg(title, past, text=f"means of {len(past)} minutes: {', '.join(texts)}")
    return Picture(key=f"minutes-{name}", title=title, svg=svg, caption=f"Means of the last {len(past)} minutes")


def point_page(
    address: Address,
    value: LiveValue,
    *,
    site: Site,
    origin_rows: Sequence[tuple[str, str]],
    now_utc: datetime,
    every_s: Mapping[str, float],
) -> Page:
    """Explanation of a live number: its source, its age, and the quarter hour that will replace it.

    origin_rows: where the source has it, and by which register and scale it is this number.
    """
    local = zone(site.time_zone)
    step_s = CANONICAL_MINUTES * 60
    start_s = value.at_utc.timestamp() // step_s * step_s
    start, end = (clock_of(datetime.fromtimestamp(at_s, local)) for at_s in (start_s, start_s + step_s))
    becomes = (
        "it fills no register: energy, and the mean of the running demand window, come from the meter's registers "
        "alone: what they counted in the window so far, over its hours; a power is never summed"
        if value.what == "live"
        else f"the quarter hour {start} to {end} of {value.stream}.{value.register_id or 'mean'}"
    )
    steps = [
        *origin_rows,
        ("Stream", f"{value.stream} {value.register_id} ({value.what}, {value.unit})"),
        ("Measured", _to_the_second(value.at_utc.astimezone(local), address.locale)),
        ("Received", _to_the_second(value.received_utc.astimezone(local), address.locale)),
        ("Quality", value.quality + (", simulated: nothing was measured" if value.is_synthetic else "")),
        ("Its minute", f"{value.minute_count} values, {value.minute_min:g} to {value.minute_max:g} "
         f"{unit_text(value.unit)}; mean {value.minute_mean:g}: their sum over their number"),
        ("Becomes", becomes),
    ]  # fmt: skip
    number = live_number(value, address, now_utc=now_utc, every_s=every_s, time_zone=site.time_zone)
    bare = number.model_copy(update={"note": number.note or value.quality, "why": ""})
    name = named(_in_words(site.stream_name(value.stream)))
    facts = Steps(title="Where it comes from", steps=tuple((word, text, "") for word, text in steps))
    tile = live_tile(f"{value.source_id}-{value.point}", name, bare)
    shown = Cards(widgets=(tile.model_copy(update={"is_synthetic": value.is_synthetic}),))
    return Page(
        title=Sentence("Calculation: {0}", Sentence("{0} of {1}", name, site.name)),
        address=address,
        parts=(Part(key="point", blocks=(shown, Paragraph(text=NOT_EVIDENCE), facts)),),
        is_synthetic=value.is_synthetic, links=(("All points", address.href("/live", point=None)),),
    )  # fmt: skip


def _to_the_second(at: datetime, locale: str) -> str:
    return f"{moment(at, locale)}:{at:%S}"


def _is_silent(found: tuple[datetime, SourceState], now_utc: datetime) -> bool:
    return (now_utc - found[0]).total_seconds() > GONE_S


def _state(found: tuple[datetime, SourceState] | None, now_utc: datetime) -> tuple[Text, Look, Text]:
    """The state of a source in a word, how it looks, and a sentence."""
    if found is None:
        return "not running", "muted", "No collector is running for this source."
    at_utc, state = found
    if _is_silent(found, now_utc):
        pattern = "No values received for {0}. Last status: {1}."
        age = age_words((now_utc - at_utc).total_seconds())
        return "silent", "bad", Sentence(pattern, age, Sentence(state.state))
    counted = Sentence("{0} accepted, {1} rejected, {2} missing.", state.accepted, state.rejected, state.missing)
    about = sentences((named(state.sentence), counted)) if state.sentence else counted
    return Sentence(state.state), "good" if state.state == "live" else "warn", about
