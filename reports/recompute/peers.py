"""A site's place among its peers recomputed: the benchmark of all sites that its organisation owned through a span."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import polars as pl

from assets.kpi.benchmark.compare import Benchmark, BenchmarkRow, benchmark, hours_factors
from assets.kpi.benchmark.intensity import intensities
from assets.kpi.benchmark.own_sites import quarters, registered
from data_quality.contracts.errors import OurFault
from data_quality.contracts.reporting.figure import Trace
from data_quality.contracts.time import Period
from reports.recompute.figure_sources import Sources, parse_dates

# Of the intervals, as `meterloom benchmark` has it by default.
SEED, CONFIDENCE = 7, 0.9
# Fields of a row with an interval: which end of it each stands for.
_ENDS = {"rank_low": ("rank_interval", 0), "rank_high": ("rank_interval", 1),
         "percentile_low": ("percentile_interval", 0), "percentile_high": ("percentile_interval", 1)}  # fmt: skip
# Floats of two machines may differ behind the ninth digit, of kWh/m².
_DECIMALS = 6


def peer_benchmark(
    sources: Sources, peers: Mapping[str, str], period: Period, as_of_utc: datetime,
    hours: Mapping[str, float] | None = None,
) -> Benchmark:  # fmt: skip
    """The benchmark of sites (site_id -> use) over local days, each by its own clock. Raises BadInput.

    hours: opening hours a week by site, where values are normalised by them.
    """

    def make() -> Benchmark:
        register, parts = {}, []
        for name, use in peers.items():
            site = sources.site(name)
            own = period.model_copy(update={"time_zone": site.time_zone})
            register[name] = registered(site, use, own, (hours or {}).get(name))
            meters = sorted(sources.meters(site, f"site:{name}"))
            parts.append(quarters(site, own, sources.stream_readings(site, meters, own.start, own.end, as_of_utc)))
        found = intensities(pl.concat(parts), register)
        factors = {"hours": hours_factors(found, register)} if hours else {}
        return benchmark(found, register, factors=factors, confidence=CONFIDENCE, seed=SEED)

    key = ("peers", peers_text(peers), hours_text(hours or {}), period.start, period.end, as_of_utc)
    return sources.keep(key, make)


def peers_text(peers: Mapping[str, str]) -> str:
    """Sites and their uses as a trace holds them; their order is that of the draws."""
    return json.dumps(dict(peers), ensure_ascii=False)


def hours_text(hours: Mapping[str, float]) -> str:
    """Opening hours by site as a trace holds them."""
    return json.dumps(dict(hours))


def row_of(found: Benchmark, site_id: str) -> BenchmarkRow:
    """The site's row. Raises OurFault for one that is not among them."""
    row = next((each for each in found.rows if each.site == site_id), None)
    if row is None:
        raise OurFault(f"site {site_id!r} is not among the peers of its own benchmark")
    return row


def place(row: BenchmarkRow, field: str) -> Decimal | None:
    """value, rank, percentile, an end of an interval of the latter two, or peers, of a row as an exact number."""
    if field == "peers":
        return Decimal(row.peers)
    name, end = _ENDS.get(field, (field, None))
    if name not in {"value", "rank", "percentile", "rank_interval", "percentile_interval"}:
        raise OurFault(f"{field!r} is not a number of a place among peers")
    found = getattr(row, name)
    if found is None:
        return None
    return Decimal(repr(round(found if end is None else found[end], _DECIMALS)))


def peer_place(trace: Trace, sources: Sources) -> Decimal | None:
    """A number of a site's place again. parameters: site, start, end, field, peers as `peers_text`; hours as
    `hours_text` where it is normalised by them.
    """
    named = trace.parameters
    start, end = parse_dates(named)
    period = Period(label="", start=start, end=end, time_zone=sources.site(named["site"]).time_zone)
    hours = json.loads(named.get("hours", "{}"))
    found = peer_benchmark(sources, json.loads(named["peers"]), period, trace.as_of_utc, hours)
    return place(row_of(found, named["site"]), named["field"])
