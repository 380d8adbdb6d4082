"""A site's place among the sites of its organisation by electricity per floor area: the figures of `benchmark`."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from assets.kpi.benchmark.compare import Benchmark, BenchmarkRow
from assets.kpi.benchmark.own_sites import hours_through, owned_through
from assets.kpi.benchmark.ranks import ASSUMED_DRIFT
from assets.stores.published.report_ledger import organisation_version
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, local_day
from data_quality.contracts.yaml_file import problems_of
from reports.datasets.base import Item, Leaf, Measure, OfSite, ReportInput, nothing
from reports.recompute.peers import CONFIDENCE, hours_text, peer_benchmark, peers_text, place, row_of

NAME = "benchmark"


def _count(label: str) -> Measure:
    return Measure(label, "count", whole="asked", decimals=0)


def _percent(label: str) -> Measure:
    return Measure(label, "percent", whole="asked", decimals=0)


MEASURES: Mapping[str, Measure] = {
    "value": Measure("Electricity per floor area, scaled to a year", "kwh/m2", whole="asked", decimals=1),
    "peers": _count("Peers, the site among them"),
    "rank": _count("Rank among the peers, 1 is the least"),
    "rank_low": _count("Rank among the peers, low end"),
    "rank_high": _count("Rank among the peers, high end"),
    "hours_value": Measure("The same, normalised by opening hours", "kwh/m2", whole="asked", decimals=1),
    "hours_rank": _count("Rank by opening hours, 1 is the least"),
    "hours_rank_low": _count("Rank by opening hours, low end"),
    "hours_rank_high": _count("Rank by opening hours, high end"),
    "percentile": _percent("Percentile among the peers"),
    "percentile_low": _percent("Percentile among the peers, low end"),
    "percentile_high": _percent("Percentile among the peers, high end"),
}
# Code of an organisation's file that is not in order.
FAULTY = "organisation_faulty"
# What begins so is of values that are normalised by opening hours, as organisation.yaml states them.
BY_HOURS = "hours_"
FACTS = ("name", "place", "group", "normalised_by", "by_hours", "interval_of")


class BenchmarkData(OfSite):
    """The dataset `benchmark`. Scopes: site:<id>. A site has a place where its organisation owned it through the span,
    among at least five with the same use; axis `site`: the site itself, of an organisation all that have a row.
    """

    measures = MEASURES

    @cached_property
    def _organisation(self) -> Organisation | None:
        return self.given.organisation or self.given.sources.organisation()

    @property
    def peers(self) -> list[Site]:
        """Sites whose files and readings stand in the traces beside those of the report's own."""
        given = self.given
        row = self._row(given.site.site_id, given.period)
        return [] if row is None else [*map(given.sources.site, self._peers(given.period))]

    @property
    def is_synthetic(self) -> bool:
        """Was a reading of a peer simulated?"""
        given = self.given
        return any(given.sources.has_synthetic(each, given.period, given.as_of_utc) for each in self.peers)

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """The site, or all of an organisation, by the axis `site`."""
        if axis != "site":
            return None
        given, group = self.given, self.given.organisation
        known = given.sources.sites
        named = [given.site.site_id] if group is None else dict.fromkeys(each.site for each in group.sites)
        sites = [known[each] for each in named if each in known]
        return [Item(each.site_id, each.name, f"site:{each.site_id}", period) for each in sites]

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A number of the site's place; without one, why."""
        site_id, period = item.scope.partition(":")[2], item.period
        row, organisation = self._row(site_id, period), self._organisation
        if organisation is None:
            return nothing("no_organisation" if self.given.sources.organisation_fault() is None else FAULTY)
        if site_id == organisation.organisation:
            return nothing("of_one_site")
        if row is None:
            return nothing("not_owned_through" if _has_approach(organisation, period) else "no_approach")
        hours = self._hours(period) if measure.startswith(BY_HOURS) else {}
        if measure.startswith(BY_HOURS):
            if site_id not in hours:
                return nothing("no_hours")
            measure = measure.removeprefix(BY_HOURS)
            found = peer_benchmark(self.given.sources, self._peers(period), period, self.given.as_of_utc, hours)
            row = row_of(found, site_id)
        value, peers = place(row, measure), self._peers(period)
        # Who has no value, or one that is wrong, is not among them.
        if value is None or (measure == "peers" and row.reason not in ("", "too_few_peers")):
            return nothing(row.reason)
        about = {**self.given.span(period), "site": site_id, "field": measure, "peers": peers_text(peers)}
        about |= {"hours": hours_text(hours)} if hours else {}
        # The site itself first: it is what a trace is pinned to.
        behind = [each for name in dict.fromkeys([site_id, *peers]) for each in self._of_peer(name, period)]
        file = TraceInput(kind="version", id=organisation.organisation, role="organisation", sha256=organisation.sha256)
        return Leaf(value, "peer_place", about, [*behind, file], coverage=row.coverage)

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Words about the site: name, place, group, by what values are normalised, what its interval holds."""
        row = self._row(item.scope.partition(":")[2], item.period)
        if name == "name" or row is None:
            return item.label, "plain"
        if name == "place" and row.rank_interval is not None:
            at = (row.rank or 0, row.peers, *row.rank_interval)
            return Sentence("rank {0} of {1}, between {2} and {3}; rank 1 takes the least", *at), "plain"
        if name == "group":
            return row.group, "plain"
        if name == "by_hours":
            return Sentence("by opening hours: what runs around the clock stays, the rest goes with them"), "plain"
        if name == "normalised_by":
            return Sentence("not normalised: neither weather nor opening hours"), "plain"
        text = "{0}, of the rank of another year; a building is assumed to drift by {1} from year to year"
        return Sentence(text, Numeral(f"{CONFIDENCE:.0%}"), Numeral(f"{ASSUMED_DRIFT:.0%}")), "plain"

    def findings(self, period: Period) -> list[Finding]:
        """Sites that are nobody's peer, as their meter or floor area is of no use: no reason against the report; and
        seasons that the values of the report's own sites lack. Where the organisation's file is at fault: its place.
        """
        fault = None if self.given.organisation is not None else self.given.sources.organisation_fault()
        if fault is not None:
            [first, *_] = problems_of(fault)
            place = (Path(first.file).name, first.line, first.message)
            message = Sentence("{0}, line {1}: {2}. While it is at fault no peers are known.", *place)
            return [Finding(code=FAULTY, message=message, severity="warning", facts={"line": first.line})]
        found, own = self._found(period), {each.scope for each in self.items("site", period) or ()}
        reported = [] if found is None else [
            each if each.scope in {"", *own} else _of_another(each)
            for each in found.findings
            if each.is_blocking or each.code == "part_of_a_year" or (each.code == "coverage" and each.scope in own)
        ]  # fmt: skip
        # The organisation's own report says it of all that is in it.
        since = (
            []
            if self.given.organisation is not None or self._organisation is None
            else organisation_not_kept(self.given)
        )
        return [*since, *(each.model_copy(update={"severity": "warning"}) for each in reported)]

    def _peers(self, period: Period) -> Mapping[str, str]:
        """Sites that may be compared, with their uses; none where the site is of no organisation."""
        known, organisation = self.given.sources.sites, self._organisation
        try:
            found = {} if organisation is None else owned_through(organisation, period)
        except BadInput:
            # Days without an approach, of which the gap tells.
            return {}
        return {name: use for name, use in found.items() if name in known}

    def _hours(self, period: Period) -> Mapping[str, float]:
        """Opening hours a week of the peers whose hours are stated."""
        organisation, peers = self._organisation, self._peers(period)
        found = {} if organisation is None or not peers else hours_through(organisation, period)
        return {name: hours for name, hours in found.items() if name in peers}

    def _found(self, period: Period) -> Benchmark | None:
        peers = self._peers(period)
        return peer_benchmark(self.given.sources, peers, period, self.given.as_of_utc) if peers else None

    def _row(self, site_id: str, period: Period) -> BenchmarkRow | None:
        found = self._found(period)
        return row_of(found, site_id) if found is not None and site_id in self._peers(period) else None

    def _of_peer(self, name: str, period: Period) -> list[TraceInput]:
        sources, site = self.given.sources, self.given.sources.site(name)
        read = sources.lake_input(site, period.start, period.end, self.given.as_of_utc)
        return [read, sources.site_input(site)]


def organisation_not_kept(given: ReportInput) -> list[Finding]:
    """The finding of an instant at which the organisation's file was not kept yet."""
    kept = organisation_version(given.sources.lake.store, given.as_of_utc)
    if kept is None or kept.recorded_at_utc <= given.as_of_utc:
        return []
    day = local_day(kept.recorded_at_utc, given.site.time_zone)
    message = Sentence("The file of the organisation was first kept on {0}; what it said before is not known.", day)
    return [Finding(code="organisation_not_kept", message=message, severity="warning")]


def _has_approach(organisation: Organisation, period: Period) -> bool:
    """True where an approach of consolidation is in force on each day of a period."""
    try:
        owned_through(organisation, period)
    except BadInput:
        return False
    return True


def _of_another(finding: Finding) -> Finding:
    """A finding of a peer without its numbers: who reads a site's report may not see the peer."""
    site_id, why = finding.scope.partition(":")[2], Sentence(finding.code.replace("_", " "))
    return finding.model_copy(
        update={"message": Sentence("{0} is not used as a peer: {1}.", site_id, why), "facts": {}}
    )
