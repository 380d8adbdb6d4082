"""From a source of the site file to its adapter: the one place that knows which kinds there are."""

from controls.gateways.sources.adapter import Adapter
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Settings
from data_quality.contracts.site_file.live_source import LiveSource
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock


def open_source(site: Site, source: LiveSource, *, settings: Settings, clock: Clock) -> Adapter:
    """The adapter of a source, not started. Raises BadInput where this build reads no such kind."""
    match source.kind:
        # A library is loaded with the first source that needs it.
        case "p1_tcp":
            from controls.gateways.sources.p1_tcp import P1Listener

            return P1Listener(source, time_zone=site.time_zone, clock=clock)
        case "bacnet":
            from controls.gateways.sources.poll_bacnet import BacnetPoller

            return BacnetPoller(source, clock=clock)
        case kind:
            del settings
            raise BadInput(f"source {source.source_id!r}: kind {kind} is not read yet", reason="unknown_kind")
