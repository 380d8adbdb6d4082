"""The collector's process: `python -m controls.collector.main --project DIR`. Loads nothing heavy.

One process for the sites of a project; each has a spool and threads of its own, so that none stops another.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from http.server import ThreadingHTTPServer

from assets.stores.live.live_store import LiveStore
from controls.collector.collector import Collector, Unopened
from controls.collector.drain import Drain, Drainer
from controls.collector.spool import Spool
from controls.gateways.access.loopback_port import Metrics, serve_loopback
from controls.gateways.access.own_process import own_parser, own_port, run_to_end, stop_signal
from controls.gateways.mqtt_line import Version
from controls.gateways.sources.adapter import Adapter
from controls.gateways.sources.open_source import open_source
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.settings import Project, load_project
from data_quality.contracts.site_file.find_site import find_site
from data_quality.contracts.site_file.live_source import Streaming, is_listened_to
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, SystemClock

# From the spool to the live store: what a person still takes for now.
BOARD_S = 0.1
STATES_S = 1.0
logger = logging.getLogger("meterloom.collector")
OpenAdapter = Callable[[Site, Streaming], Adapter]


def health(collectors: Sequence[Collector]) -> tuple[bool, str]:
    """Whether everything that comes is kept, and one sentence."""
    for collector in collectors:
        spool = collector.spool.state()
        if collector.spool.broken is not None:
            return False, f"{collector.site.site_id}: the disk failed ({collector.spool.broken})"
        if spool.state != "live":
            return False, f"{collector.site.site_id}: {spool.sentence}"
    return True, "collecting"


def metrics(collectors: Sequence[Collector], drains: Mapping[str, Drain], *, now_utc: datetime) -> str:
    """Everything that is counted, as Prometheus reads it."""
    page = Metrics("meterloom_collector_")
    spools = [(f'{{site="{each.site.site_id}"}}', each.spool.state()) for each in collectors]
    sources = [
        (f'{{site="{each.site.site_id}",source="{state.source_id}"}}', state)
        for each in collectors
        for state in each.states()
    ]
    page.add_metric("up", "gauge", [("", health(collectors)[0])], "1 while /healthz is 200")
    for name, kind, text in (
        ("kept", "counter", "Samples made durable and acknowledged"),
        ("refused", "counter", "Samples that could not be kept and were not acknowledged"),
        ("commits", "counter", "Times the disk was waited for"),
        ("commit_s", "counter", "Seconds of that"),
        ("used_bytes", "gauge", "Size of the spool"),
        ("pending_bytes", "gauge", "What waits for the disk"),
        ("recovered_bytes", "counter", "Taken over from an earlier process"),
        ("torn_bytes", "counter", "Of an earlier process, not whole and never acknowledged"),
    ):
        values = [(label, float(getattr(state, name))) for label, state in spools]
        page.add_metric(f"spool_{name}{'_total' if kind == 'counter' else ''}", kind, values, text)
    drained = [(f'{{site="{name}"}}', drain.state(now_utc=now_utc)) for name, drain in drains.items()]
    for name, kind, text in (
        ("files", "counter", "Files of quarter hours that were landed"),
        ("samples", "counter", "Samples read from the spool for them"),
        ("refusals", "counter", "What came and was no sample, landed with its reason"),
        ("live_only", "counter", "Samples that only the live board shows"),
        ("waiting", "gauge", "Lines of quarter hours that are not over"),
        ("oldest_s", "gauge", "Age of the oldest sample that is not landed"),
        ("behind_s", "gauge", "By how much it is older than a drain in time lets it grow"),
    ):
        values = [(label, float(getattr(state, name))) for label, state in drained]
        page.add_metric(f"drain_{name}{'_total' if kind == 'counter' else ''}", kind, values, text)
    page.add_metric("source_live", "gauge", [(label, each.state == "live") for label, each in sources], "1 while live")
    for name, text in (
        ("accepted", "Samples received"),
        ("rejected", "What came and was no sample"),
        ("missing", "Numbers that a device left out"),
        ("doubled", "Numbers that came again"),
    ):
        values = [(label, float(getattr(state, name))) for label, state in sources]
        page.add_metric(f"source_{name}_total", "counter", values, text)
    return page.text()


def serve_collector(
    collectors: Sequence[Collector], drains: Mapping[str, Drain], *, clock: Clock, port: int
) -> ThreadingHTTPServer:
    """Serve in a thread of its own until `shutdown`. Port 0 takes a free one. Raises OSError."""
    return serve_loopback(
        "collector",
        health=lambda: health(collectors),
        metrics=lambda: metrics(collectors, drains, now_utc=clock.now_utc()),
        posts={},
        port=port,
    )


def adapters_of(site: Site, open_adapter: OpenAdapter) -> list[Adapter]:
    """The adapters of a site's sources that are listened to; one that cannot be opened is a state."""
    found: list[Adapter] = []
    for source in site.sources:
        if isinstance(source, Streaming):
            try:
                found.append(open_adapter(site, source))
            except BadInput as fault:
                logger.error("%s: %s", site.site_id, fault)
                found.append(Unopened(source, fault))
    return found


def run_collector(
    project: Project,
    sites: Sequence[Site],
    *,
    stop: threading.Event,
    clock: Clock | None = None,
    open_adapter: OpenAdapter | None = None,
    mqtt_version: Version = "5",
) -> None:
    """Collect until `stop` is set. mqtt_version: of the settings' broker.

    Raises BadInput where another collector has a spool, and the fault of a spool that its disk failed: what was
    acknowledged is on disk, and the next process takes it over.
    """
    clock = clock or SystemClock()
    opened = open_adapter or partial(open_source, settings=project.settings, clock=clock, mqtt_version=mqtt_version)
    store, limits = LiveStore(project.live_dir), project.settings.live
    collectors = [
        Collector(
            site,
            adapters_of(site, opened),
            Spool(project.live_dir / "spool" / site.site_id, clock=clock, limits=limits),
        )
        for site in sites
    ]
    drains = {each.site.site_id: _drain(project, each) for each in collectors}
    drainer = Drainer(drains, clock=clock)
    started: list[Collector] = []
    port = project.settings.server.collector_port
    try:
        for collector in collectors:
            collector.start()
            started.append(collector)
        drainer.start()
        logger.info("collecting for %s", ", ".join(site.site_id for site in sites))
        with own_port(partial(serve_collector, collectors, drains, clock=clock, port=port), logger):
            _work(collectors, drainer, store, stop, clock)
    finally:
        drainer.stop()
        for collector in started:
            collector.stop()
        store.close()


def _drain(project: Project, collector: Collector) -> Drain:
    site_id = collector.site.site_id
    landing, carry = project.landing_dir / site_id, project.live_dir / "carry" / site_id
    return Drain(collector.site, collector.spool, landing=landing, carry=carry)


def _work(
    collectors: Sequence[Collector], drainer: Drainer, store: LiveStore, stop: threading.Event, clock: Clock
) -> None:
    """Keep the live store, and look that every spool writes and is drained."""
    reported_s, trouble = 0.0, ""
    is_new = True
    while not stop.wait(BOARD_S):
        for collector in collectors:
            if collector.spool.broken is not None:
                raise collector.spool.broken
        if drainer.broken is not None:
            raise drainer.broken
        is_due = time.monotonic() - reported_s >= STATES_S
        try:
            for collector in collectors:
                if is_new:
                    store.keep_only(collector.site.site_id, collector.board.points)
                store.put(collector.board.changed())
                if is_due:
                    store.put_states(collector.site.site_id, collector.states(), now_utc=clock.now_utc())
            reported_s = time.monotonic() if is_due else reported_s
            is_new, trouble = False, ""
        except Unreachable as fault:
            for collector in collectors:
                collector.board.mark_all_changed()
            # Once, and again only after something else.
            if trouble != (trouble := str(fault)):
                logger.warning("%s", trouble)


def sites_with_sources(project: Project, names: Sequence[str]) -> list[Site]:
    """The named sites, or all that have a source to be listened to. A file that cannot be read stops no other site.

    Raises BadInput where none is left.
    """
    found = []
    for name in names or sorted(path.stem for path in project.sites_dir.glob("*.yaml")):
        try:
            site = find_site(project, name)
        except BadInput as fault:
            logger.error("%s", fault)
            continue
        if is_listened_to(site):
            found.append(site)
    if not found:
        raise BadInput("no site has a live source; see docs/ems/live.md", reason="no_sources")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 after a clean stop, 2 for wrong input, 3 where the disk failed."""
    parser = own_parser("meterloom-collector", "Keeps live readings of a project's sites")
    parser.add_argument(
        "--site", action="append", default=[], help="may be given again; all with sources where none is"
    )
    parser.add_argument("--mqtt-version", choices=["5", "3.1.1"], default="5", help="3.1.1: the demo's fallback only")
    options = parser.parse_args(arguments)
    stop = stop_signal()

    def work() -> None:
        project = load_project(options.project, os.environ)
        sites = sites_with_sources(project, options.site)
        run_collector(project, sites, stop=stop, mqtt_version=options.mqtt_version)

    # Never on with a disk that failed: whoever starts us again lets the next process read what it really holds.
    return run_to_end(work, logger, world=(OSError,))


if __name__ == "__main__":
    sys.exit(main())
