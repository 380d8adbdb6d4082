"""A live store that a test fills as the collector does, and events as a browser reads them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, NamedTuple

from assets.stores.live.live_store import LiveStore, Row

SITE = "plant"


class Event(NamedTuple):
    """One event of the stream."""

    number: int
    kind: str
    data: dict[str, Any]


def row(point: str, value: float, at: datetime, *, site: str = SITE, quality: str = "measured") -> Row:
    """A row of the live store: a power of a meter."""
    at_s = at.timestamp()
    return (
        site, "line", point, "m0", "import", "live", "kw", 1, value, at_s, at_s, quality, at_s // 60 * 60, value, value,
        value, 1,
    )  # fmt: skip


def put(store: LiveStore, at: datetime, *, site: str = SITE, **values: float) -> None:
    """The newest values of some points."""
    store.put([row(point, value, at, site=site) for point, value in values.items()])


def events(text: str) -> list[Event]:
    """Events in a piece of the stream."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append(Event(int(fields.get("id", 0)), fields["event"], json.loads(fields["data"])))
    return found


async def read_until(stream: AsyncIterator[bytes], kind: str, *, within_s: float = 30.0, **data: Any) -> list[Event]:
    """Events up to the first of that kind with that data."""
    found: list[Event] = []

    async def reading() -> list[Event]:
        async for chunk in stream:
            for each in events(chunk.decode()):
                found.append(each)
                if each.kind == kind and data.items() <= each.data.items():
                    return found
        return found

    return await asyncio.wait_for(reading(), within_s)
