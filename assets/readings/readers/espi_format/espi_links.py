"""Which part of a Green Button document belongs to which: by nesting, by Atom links, and where there is only one."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from assets.readings.readers.espi_format.espi_feed import Feed, Part

_BLOCK = "/IntervalBlock"


@dataclass(frozen=True)
class Source:
    """Source of a block's rows. meter: the meter reading's own link, by which a column map names it;
    usage_point: the usage point's link; both as written. The reading type is None where the document has none.
    """

    meter: str
    usage_point: str | None
    reading_type: Part | None
    service: str | None


def sources_of(feed: Feed) -> list[Source]:
    """One source per block, in block order."""
    readings, types = _Index(feed.meter_readings), _Index(feed.reading_types)
    points = _Index(feed.usage_points)
    known: dict[int, Source] = {}
    sources = []
    for block in feed.blocks:
        reading = _meter_reading(block, readings)
        if reading is None:
            # A block whose meter reading is not in the document; a reading type in or beside it is its own, and the
            # only one is that of blocks without any link, as files of 2012 have them.
            link = block.entry.up_href or block.entry.self_href
            name = link.strip("/").removesuffix(_BLOCK) or "unnamed"
            beside = types.by_holder.get(id(block), []) or types.by_entry.get(id(block.entry), [])
            alone = types.only() if not link and not feed.meter_readings else None
            sources.append(Source(name, None, beside[0] if len(beside) == 1 else alone, None))
            continue
        if id(reading) not in known:
            usage_point = _usage_point(reading, points)
            href = reading.entry.self_href
            # A link that is another part's, or that several meter readings share: their place keeps them apart.
            is_shared = reading.holder is not None or not href or len(readings.by_entry[id(reading.entry)]) > 1
            place = f"MeterReading {readings.place[id(reading)]}"
            known[id(reading)] = Source(
                meter=f"{href} {place}".strip() if is_shared else href,
                usage_point=(usage_point.entry.self_href or None) if usage_point else None,
                reading_type=_reading_type(reading, types),
                service=usage_point.fields.get("kind") if usage_point else None,
            )
        sources.append(known[id(reading)])
    return sources


def path_of(href: str) -> str:
    """The comparable form of a link: its path without host, query and outer slashes."""
    try:
        return urlsplit(href).path.strip("/")
    except ValueError:
        return href.strip("/")


class _Index:
    """Parts of one kind, found by their links, their Atom entry and the part that holds them.

    Without it a document of many parts would be searched once for each of them.
    """

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts
        self.by_self: dict[str, list[Part]] = {}
        self.by_tail: dict[str, list[Part]] = {}
        self.by_related: dict[str, list[Part]] = {}
        self.by_entry: dict[int, list[Part]] = {}
        self.by_holder: dict[int, list[Part]] = {}
        self.place: dict[int, int] = {}
        for place, part in enumerate(parts, 1):
            self.place[id(part)] = place
            self.by_entry.setdefault(id(part.entry), []).append(part)
            if part.holder is not None:
                self.by_holder.setdefault(id(part.holder), []).append(part)
            if link := _self(part):
                self.by_self.setdefault(link, []).append(part)
                self.by_tail.setdefault(_tail(link), []).append(part)
            for link in _related(part):
                self.by_related.setdefault(link, []).append(part)

    def holding(self, part: Part) -> Part | None:
        """The part of this kind inside which the given one stands."""
        holder = part.holder
        while holder is not None and id(holder) not in self.place:
            holder = holder.holder
        return holder

    def above(self, link: str) -> list[Part]:
        """Parts whose own link begins the given one, the longest first."""
        # A link of a million slashes would be joined a million times.
        steps = link.split("/")[:64]
        beginnings = ("/".join(steps[:end]) for end in range(len(steps) - 1, 0, -1))
        return next((self.by_self[up] for up in beginnings if up in self.by_self), [])

    def only(self) -> Part | None:
        """The part, where there is just one."""
        return self.parts[0] if len(self.parts) == 1 else None


def _meter_reading(block: Part, readings: _Index) -> Part | None:
    nested = readings.holding(block)
    if nested is not None:
        return nested
    own, up = path_of(block.entry.self_href), path_of(block.entry.up_href)
    same = readings.by_entry.get(id(block.entry), [])
    linked = [part for link in (own, up) if link for part in readings.by_related.get(link, [])]
    above = readings.by_self.get(up.removesuffix(_BLOCK), []) if up else []
    # The nearest relation first: the same entry, then links, then paths.
    if len(same) == 1:
        return same[0]
    for found in (linked, above, readings.above(own)):
        if found and len({_self(part) for part in found}) == 1:
            return found[0]
    # The block names a meter reading that is not here: to take the only one that is would be a guess.
    is_foreign = "MeterReading/" in own or "MeterReading/" in up
    return None if is_foreign else readings.only()


def _usage_point(reading: Part, points: _Index) -> Part | None:
    nested = points.holding(reading)
    if nested is not None:
        return nested
    own, up = _self(reading), path_of(reading.entry.up_href)
    linked = [part for link in (own, up) if link for part in points.by_related.get(link, [])]
    for found in (linked, points.above(own)):
        if found and all(part is found[0] for part in found):
            return found[0]
    return points.only()


def _reading_type(reading: Part, types: _Index) -> Part | None:
    """The type that the meter reading links to; the only one of the document where it links to none."""
    related = sorted(_related(reading))
    candidates = (
        types.by_holder.get(id(reading), []),
        types.by_entry.get(id(reading.entry), []),
        [part for link in related for part in types.by_self.get(link, [])],
        [part for link in related for part in types.by_tail.get(_tail(link), [])],
    )
    for found in candidates:
        # The same type repeated for every meter reading is still one type.
        if found and all(part.fields == found[0].fields for part in found):
            return found[0]
    is_linked = any("ReadingType" in link for link in related)
    return None if is_linked else types.only()


def _self(part: Part) -> str:
    return path_of(part.entry.self_href)


def _related(part: Part) -> set[str]:
    return {path_of(link) for link in part.entry.related} - {""}


def _tail(path: str) -> str:
    return "/".join(path.split("/")[-2:])
