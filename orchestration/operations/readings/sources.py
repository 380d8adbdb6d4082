"""`meterloom sources`: the live sources of a project, one value of one now, and what the collector receives."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from assets.stores.live.live_store import FRESH, LiveReader
from controls.gateways.access.broker_of_up import broker_of_up
from controls.gateways.mqtt_line import Version
from controls.gateways.sources.open_source import open_source
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.live_value import LiveValue
from data_quality.contracts.site_file.find_site import find_site
from data_quality.contracts.site_file.live_source import LiveSource, Streaming
from data_quality.contracts.site_file.site import Site
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import PROJECT, Argument, Call, Option, operation

LOOK_S = 0.2
SiteOption = Annotated[str, Option("Of this site alone.")]
LIST = (
    "site | source: {id} | kind | state | last: {last_utc:|-} | spool: {spool_kb:,.0f} kB | rejected | "
    "points | detail: {sentence:|}"
)


@operation("sources list", takes=PROJECT, example="--site factory")
def list_sources(call: Call, site: SiteOption = "") -> Answer:
    """List the live and pulled sources of the site files, and how each is doing now."""
    rows = [row for each in _sites(call, site) for row in _rows(call, each)]
    table = Table("sources", LIST, spool_kb=lambda row: row["spool"] / 1000, empty="no site file has a source")
    return Answer({"sources": rows}, table)


@operation("sources test", takes=PROJECT, example="hall --site factory")
def check_source(
    call: Call,
    name: Annotated[str, Argument("A source of the site file.", metavar="SOURCE")],
    site: SiteOption = "",
    within: Annotated[float, Option("Seconds to wait.", min=0.1, max=600)] = 10.0,
) -> Answer:
    """Ask a source for one value of each of its points, now. Nothing is kept, and a collector that runs goes on."""
    home, source = _source(call, name, site)
    call.doing(f"asking {name}")
    settings, own = call.places.settings, broker_of_up(call.places)
    if own is not None:
        # It chose a port of its own, which no settings know.
        broker = own.model_dump(include={"host", "port", "username", "password", "ca_file"})
        settings = settings.model_copy(update={"mqtt": settings.mqtt.model_copy(update=broker)})
    version: Version = "5" if own is None else own.version
    adapter = open_source(home, source, settings=settings, clock=call.clock, mqtt_version=version)
    rows = [each._asdict() for each in adapter.test(within)]
    return Answer({"samples": rows}, Table("samples", "point | value: {value:g} {unit} | at: {at_utc} | quality"))


@operation("sources tail", takes=PROJECT, example="hall --site factory --for 30")
def tail_sources(
    call: Call,
    name: Annotated[str, Argument("Of one source alone.", metavar="SOURCE")] = "",
    site: SiteOption = "",
    length_s: Annotated[float, Option("Seconds to watch.", "--for", min=0, max=3600)] = 5.0,
) -> Answer:
    """Show what the collector receives: the newest values, and those that come while one looks on."""
    sites = [_source(call, name, site)[0]] if name else _sites(call, site)
    rows = []
    for site_id, value in _seen(call, [each.site_id for each in sites], length_s):
        if name in ("", value.source_id):
            row = {"site": site_id} | value.model_dump(include={"source_id", "point", "at_utc", "value", "unit"})
            rows.append(row | {"age_s": value.age_s(call.clock.now_utc()), "quality": value.quality})
    columns = (
        "site | source: {source_id} | point | at: {at_utc} | value: {value:g} {unit} | age: {age_s:.1f} s | quality"
    )
    return Answer(
        {"samples": rows}, Table("samples", columns, empty="nothing was received; see meterloom sources list")
    )


def _rows(call: Call, site: Site) -> Iterator[dict[str, Any]]:
    live = call.places.live_dir
    states = {state.source_id: (at_utc, state) for at_utc, state in LiveReader(live).states(site.site_id)}
    shown = {each.source_id: each.received_utc for each in LiveReader(live).values(site.site_id)}
    waiting = _size(live / "spool" / site.site_id) + _size(live / "carry" / site.site_id)
    for source in site.sources:
        row = {"site": site.site_id, "id": source.source_id, "kind": source.kind, "points": len(source.points)}
        row |= {"spool": waiting, "is_synthetic": source.is_synthetic}
        at_utc, state = states.get(source.source_id, (None, None))
        if state is not None and at_utc is not None and call.clock.now_utc() - at_utc <= FRESH:
            counts = {"accepted", "rejected", "missing", "doubled", "last_utc", "state", "sentence"}
            yield row | state.model_dump(include=counts)
            continue
        last = {"last_utc": state.last_utc, "rejected": state.rejected} if state else {"last_utc": None, "rejected": 0}
        if isinstance(source, Streaming):
            yield row | {"state": "stopped", "sentence": "no collector runs: meterloom up starts one"} | last
        elif source.kind == "push":
            # What comes is on the board, though nobody listens.
            yield row | last | {"state": "pushed", "last_utc": shown.get(source.source_id), "sentence": ""}
        else:
            yield row | {"state": "pulled", "sentence": f"{source.kind} is not listened to"} | last


def _seen(call: Call, site_ids: Sequence[str], length_s: float) -> Iterator[tuple[str, LiveValue]]:
    """Every value that stands on the board in that time, once."""
    reader, seen = LiveReader(call.places.live_dir), set()
    until_s = time.monotonic() + length_s
    while True:
        for site_id in site_ids:
            for value in reader.values(site_id):
                key = (site_id, value.source_id, value.point, value.received_utc)
                if key not in seen:
                    seen.add(key)
                    yield site_id, value
        if time.monotonic() >= until_s:
            return
        time.sleep(min(LOOK_S, max(0.0, until_s - time.monotonic())))


def _sites(call: Call, site_id: str) -> list[Site]:
    if site_id:
        return [find_site(call.places, site_id)]
    return [find_site(call.places, path.stem) for path in sorted(call.places.sites_dir.glob("*.yaml"))]


def _source(call: Call, name: str, site_id: str) -> tuple[Site, LiveSource]:
    """The source of that name. Raises BadInput where no site, or more than one, has it."""
    sites = _sites(call, site_id)
    found = [(site, source) for site in sites for source in site.sources if source.source_id == name]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(site.site_id for site, _ in found)
        raise BadInput(f"source {name!r} is of several sites ({several}); name one with --site", reason="ambiguous")
    known = ", ".join(source.source_id for site in sites for source in site.sources) or "none"
    raise BadInput(f"unknown source {name!r}; there is {known}", reason="unknown_source")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file()) if folder.is_dir() else 0
