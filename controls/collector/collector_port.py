"""What the collector says of itself on the loopback: /healthz and /metrics."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http.server import ThreadingHTTPServer

from controls.collector.collector import Collector
from controls.collector.drain import Drain
from controls.gateways.access.loopback_port import Metrics, serve_loopback
from data_quality.contracts.time import Clock


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
    page.tell("up", "gauge", [("", health(collectors)[0])], "1 while /healthz is 200")
    for name, kind, said in (
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
        page.tell(f"spool_{name}{'_total' if kind == 'counter' else ''}", kind, values, said)
    drained = [(f'{{site="{name}"}}', drain.state(now_utc=now_utc)) for name, drain in drains.items()]
    for name, kind, said in (
        ("files", "counter", "Files of quarter hours that were landed"),
        ("samples", "counter", "Samples read from the spool for them"),
        ("refusals", "counter", "What came and was no sample, landed with its reason"),
        ("live_only", "counter", "Samples that only the live board shows"),
        ("waiting", "gauge", "Lines of quarter hours that are not over"),
        ("oldest_s", "gauge", "Age of the oldest sample that is not landed"),
        ("behind_s", "gauge", "By how much it is older than a drain in time lets it grow"),
    ):
        values = [(label, float(getattr(state, name))) for label, state in drained]
        page.tell(f"drain_{name}{'_total' if kind == 'counter' else ''}", kind, values, said)
    page.tell("source_live", "gauge", [(label, each.state == "live") for label, each in sources], "1 while live")
    for name, said in (
        ("accepted", "Samples received"),
        ("rejected", "What came and was no sample"),
        ("missing", "Numbers that a device left out"),
        ("doubled", "Numbers that came again"),
    ):
        values = [(label, float(getattr(state, name))) for label, state in sources]
        page.tell(f"source_{name}_total", "counter", values, said)
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
