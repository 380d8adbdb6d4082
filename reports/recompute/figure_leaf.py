"""A figure that comes from readings, and what the meters and factors behind its amounts may be off."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from assets.carbon.factor_choice.factor_view import meter_factors
from assets.kpi.from_readings import KpiQuery, split_product
from assets.kpi.propagation import FACTOR, METER, Spread, of_half_95, of_limit
from assets.sites.scopes import Member, known_spans
from assets.sites.virtual import inputs_of
from data_quality.contracts.emissions.footprint import DayFactor
from data_quality.contracts.reporting.figure import BandExclusion, Figure, Trace
from data_quality.contracts.site_file.accuracy import factor_limit, limit_of
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.meter_event import EventKind
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc
from reports.recompute.figure_sources import Sources
from reports.recompute.recomputed_kpis import KpiBasis, definition_named, kpi_row, prefetch_kpis

ENERGY, COST, CARBON, PEAK = "consumption_kwh", "cost", "emission_kgco2e", "peak_15min_kw"


class Share(NamedTuple):
    """An amount of one meter, and the factor that it was weighed with; weight: in any one unit."""

    meter_id: str
    weight: float
    factor: DayFactor | None = None


@dataclass(frozen=True)
class Leaf:
    """A figure that comes from readings, and where they are read."""

    figure: Figure
    sources: Sources

    @property
    def trace(self) -> Trace:
        """The trace of the figure."""
        return self.figure.trace

    @property
    def named(self) -> Mapping[str, str]:
        """Parameters of the trace."""
        return self.trace.parameters

    @property
    def site(self) -> Site:
        """The site as the figure pins it."""
        return self.sources.site(self.named["site"])

    @property
    def value(self) -> float:
        """The figure's number, in its unit; 0 where it is unknown."""
        return float(self.figure.value or 0)

    def of_scope(self, kpi: str, scope: str, start: date, end: date) -> list[Share]:
        """Amounts of a KPI by meter of the scope, and by factor where it is an emission."""
        return self.amounts(kpi, self.members(scope, start, end))

    def members(self, scope: str, start: date, end: date) -> list[tuple[Member, date, date]]:
        """Meters of a scope with the local days [start, end) of these on which each is one."""
        return [
            (member, max(span.start, start), min(span.end, end))
            for span in known_spans(self.site, split_product(self.site, scope)[0])
            if span.start < end and start < span.end
            for member in span.members
        ]

    def amounts(self, kpi: str, members: Iterable[tuple[Member, date, date]]) -> list[Share]:
        """Amounts of a KPI of meters over local days [start, end), by factor where it is an emission."""
        questions = [
            (member.sign * float(member.share), factor, KpiQuery(kpi, f"meter:{member.meter_id}", first, after))
            for member, start, end in members
            for first, after, factor in self._cuts(kpi, member.meter_id, start, end)
        ]
        if len(questions) == 1:
            # One meter, one factor: it is all of the amount, and nothing need be read.
            return [Share(questions[0][2].scope.removeprefix("meter:"), 1.0, questions[0][1])]
        basis = KpiBasis(self.site.site_id, self.trace.as_of_utc, definition_named(self.trace))
        prefetch_kpis(self.sources, basis, [each for _, _, each in questions])
        rows = [(by, factor, each, kpi_row(self.sources, basis, each)) for by, factor, each in questions]
        return [
            Share(each.scope.removeprefix("meter:"), by * float(row.value), factor)
            for by, factor, each, row in rows
            if row is not None and row.value is not None
        ]

    def _cuts(self, kpi: str, meter_id: str, start: date, end: date) -> list[tuple[date, date, DayFactor | None]]:
        if kpi != CARBON:
            return [(start, end, None)]
        view = self.sources.factors(self.site, self.trace.as_of_utc)
        return [
            (max(each.start, start), min(each.end, end), each.version)
            for each in meter_factors(self.site, view, [meter_id])
            if each.start < end and start < each.end
        ]

    def spread(self, value: float, shares: Sequence[Share], *, before: date | None = None) -> Spread:
        """The spread of a value that is made of these amounts; before: of a model that was fitted until then."""
        total = sum(each.weight for each in shares)
        parts: dict[str, float] = {}
        left_out = set[BandExclusion]()
        for each in shares if total else ():
            amount = value * each.weight / total
            for source, relative in self.of_meter(each.meter_id, left_out, before).items():
                parts[source] = parts.get(source, 0.0) + amount * relative
            if each.factor is not None:
                limit = factor_limit(each.factor.carrier.value, each.factor)
                if limit is None:
                    left_out.add(BandExclusion("factor_uncertainty_unknown", each.factor.factor_id))
                else:
                    source = f"{FACTOR}{each.factor.factor_id}"
                    parts[source] = parts.get(source, 0.0) + amount * of_half_95(limit.percent)
        return Spread(value, parts, frozenset(left_out))

    def of_meter(self, meter_id: str, left_out: set[BandExclusion], before: date | None) -> dict[str, float]:
        """Source -> relative standard uncertainty of a meter's amounts; of a virtual one those of its inputs."""
        meter = self.site.meter(meter_id)
        assert meter is not None  # noqa: S101 - scopes are made of the site's meters
        if meter.is_virtual:
            return self._of_virtual(meter_id, left_out, before)
        if any(each.multiplier != 1 for each in meter.registers):
            left_out.add(BandExclusion("transformer_unknown", meter_id))
        if meter.gas_factors:
            left_out.add(BandExclusion("calorific_value_unknown", meter_id))
        if not meter.accuracy_class:
            left_out.add(BandExclusion("meter_class_unknown", meter_id))
            return {}
        is_other = before is not None and _exchanged(meter, self.site.time_zone, before, self.figure.end)
        name = f"{METER}{self.site.site_id}/{meter_id}{'@before' if is_other else ''}"
        return {name: of_limit(limit_of(meter.carrier.value, meter.accuracy_class).percent)}

    def _of_virtual(self, meter_id: str, left_out: set[BandExclusion], before: date | None) -> dict[str, float]:
        terms = inputs_of(self.site, meter_id)
        if any(each.register_id not in (None, "import") for each in terms):
            left_out.add(BandExclusion("meter_class_unknown", meter_id))
            return {}
        basis = KpiBasis(self.site.site_id, self.trace.as_of_utc, definition_named(self.trace))
        names = [meter_id, *(each.meter_id for each in terms)]
        questions = [KpiQuery(ENERGY, f"meter:{name}", self.figure.start, self.figure.end) for name in names]
        prefetch_kpis(self.sources, basis, questions)
        rows = [kpi_row(self.sources, basis, each) for each in questions]
        own, *inputs = [None if row is None or row.value is None else float(row.value) for row in rows]
        found: dict[str, float] = {}
        for term, kwh in zip(terms, inputs, strict=True):
            for source, relative in self.of_meter(term.meter_id, left_out, before).items():
                if kwh is not None and own:
                    found[source] = found.get(source, 0.0) + relative * float(term.coefficient) * kwh / own
        return found


def _exchanged(meter: Meter, time_zone: str, start: date, end: date) -> bool:
    first, after = (local_midnight_utc(each, time_zone) for each in (start, end))
    return any(each.kind is EventKind.EXCHANGE and first < each.at_utc(time_zone) < after for each in meter.events)
