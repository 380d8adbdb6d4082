"""The factors of a site as known at an instant: which source decides for each carrier, basis and local day.

Precedence, first to last: rows of the store recorded for this site; the site file; rows of the store for the site's
subdivision, then for its country; rows without region. A later source holds only on days that no earlier one covers.
A row of the store is for one calorific basis; a site file's entry, for the site's own kWh, ranks among those of each.

Which location-based factor holds for a site's meters and days, as known at an instant: of the KPIs, running figures
and traces. The inventory takes the same view of a site's factors, so a KPI and a footprint rest on one factor.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Literal, NamedTuple

import polars as pl

from assets.carbon.factor_choice.bundles import bundles_of
from assets.carbon.factor_choice.match_units import converted, parse_unit, ratio
from assets.sites.scopes import FIRST_DAY, LAST_DAY
from assets.stores.ledgers.factor_ledger import FactorStore
from assets.stores.transactions import Store
from assets.stores.warehouse.warehouse_tables import FACTOR
from data_quality.contracts.emissions.footprint import DayFactor
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import HELD, Basis, Factor, GwpSet, QualityCriteria, StoredFactor
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Site

# What sets call the carriers; anything else is renamed when a set is recorded (`factors add --rename`).
_NAMES = {
    "gas": Carrier.NATURAL_GAS,
    "purchased electricity": Carrier.ELECTRICITY,
    "grid electricity": Carrier.ELECTRICITY,
    "district heat": Carrier.HEAT,
    "purchased heat": Carrier.HEAT,
    "district steam": Carrier.STEAM,
    "purchased steam": Carrier.STEAM,
    "district cooling": Carrier.COOLING,
    "purchased cooling": Carrier.COOLING,
}
# ISO 3166; a grid region (CAMX) lies within a country.
COUNTRY_LETTERS = 2
TENANT, SITE_FILE, SUBDIVISION, COUNTRY, ANYWHERE = RANKS = range(5)


@dataclass(frozen=True)
class FactorView:
    """Factors per kWh of one site, resolved: on one day at most one of a carrier, shared basis and calorific basis."""

    entries: tuple[DayFactor, ...]

    def of(self, carrier: Carrier, basis: Basis) -> tuple[DayFactor, ...]:
        """Factors of the carrier and basis, in order of their days."""
        return tuple(each for each in self.entries if each.carrier == carrier and each.basis == basis)

    def fitting(self, carrier: Carrier, basis: Basis, calorific_basis: str) -> tuple[DayFactor, ...]:
        """Of these, those for kWh of that calorific basis: on one day one. Where none states it, the site file's."""
        own = self.of(carrier, basis)
        stated = tuple(each for each in own if each.calorific_basis == calorific_basis)
        return stated or tuple(each for each in own if each.origin == "site_file" and not each.calorific_basis)

    def claims_from(self, start: date, since: date | None = None) -> date:
        """First day whose energy decides what is left of certificates and contracts on the day `start`: none that has
        an amount is in force across it. since: the earliest that it may be.
        """
        limited = [each for each in self.entries if each.basis in HELD and each.instrument_kwh is not None]
        while earlier := [each.valid_from for each in limited if each.valid_from < start < each.valid_to]:
            start = min(earlier)
        return max(start, since or start)


def factor_view(
    site: Site,
    stored: Sequence[StoredFactor] = (),
    *,
    as_of_utc: datetime | None = None,
    gwp: GwpSet | None = None,
    supplier: str = "",
) -> FactorView:
    """The site's factors as of then: its file's entries that were recorded by then, and the store's rows.

    stored: of `FactorStore.known(as_of_utc=…, tenant=site_id)`. supplier: whose rates may be used beside those recorded
    for this site. Raises BadInput where two of one source, carrier and basis hold on a day.
    """
    ranked: defaultdict[tuple[Carrier, Basis, str, str], dict[int, list[DayFactor]]] = defaultdict(
        lambda: {rank: [] for rank in RANKS}
    )
    of_store = list(_of_store(site, stored, gwp, supplier))
    for entry in _of_site(site, as_of_utc):
        for calorific in sorted({"", *(each.calorific_basis for _, each in of_store if each.carrier is entry.carrier)}):
            copy = entry.model_copy(update={"calorific_basis": calorific})
            ranked[_key(copy)][SITE_FILE].append(copy)
    for rank, entry in of_store:
        ranked[_key(entry)][rank].append(entry)
    found = [each for ranks in ranked.values() for each in _resolve(ranks)]
    return FactorView(
        tuple(sorted(found, key=lambda each: (each.carrier, each.basis, each.valid_from, each.factor_id)))
    )


def carrier_of(activity: str) -> Carrier | None:
    """The carrier that a set's activity names, or None."""
    name = " ".join(activity.casefold().replace("_", " ").replace("-", " ").split())
    known = {carrier.value.replace("_", " "): carrier for carrier in Carrier}
    return known.get(name) or _NAMES.get(name)


def as_factor(entry: DayFactor) -> Factor:
    """The entry as a row per kWh, for the market-based method."""
    return Factor(
        factor_id=entry.factor_id,
        scope=2,
        activity=entry.carrier.value,
        unit="kWh",
        kg_co2e_per_unit=entry.kgco2e_per_kwh,
        valid_from=entry.valid_from,
        valid_to=entry.valid_to,
        supplier=entry.supplier,
        basis=entry.basis,
        source=entry.source,
        instrument_kwh=entry.instrument_kwh,
        criteria=entry.criteria,
    )


def _key(entry: DayFactor) -> tuple[Carrier, Basis, str, str]:
    # Certificates hold side by side; of shared factors one excludes the other.
    return entry.carrier, entry.basis, entry.factor_id if entry.basis in HELD else "", entry.calorific_basis


def _of_site(site: Site, as_of_utc: datetime | None) -> Iterable[DayFactor]:
    for entry in site.factors:
        # An entry without a time of recording has always been known.
        if as_of_utc is None or entry.recorded_at_utc is None or entry.recorded_at_utc <= as_of_utc:
            yield DayFactor(
                carrier=entry.carrier,
                basis=Basis.LOCATION,
                factor_id=entry.factor_id,
                # By the digits of the file: a float's own would be another factor in the sixteenth place.
                kgco2e_per_kwh=Decimal(str(entry.kgco2e_per_kwh)),
                valid_from=entry.valid_from,
                valid_to=entry.valid_to,
                origin="site_file",
                source=entry.source,
                recorded_at_utc=entry.recorded_at_utc,
                **entry.stated,
            )


def _of_store(
    site: Site, stored: Sequence[StoredFactor], gwp: GwpSet | None, supplier: str
) -> Iterable[tuple[int, DayFactor]]:
    # Recorded together, used together: gases of one import never complete those of another.
    groups: defaultdict[tuple[int, Basis, str, datetime], list[StoredFactor]] = defaultdict(list)
    for each in stored:
        row = each.factor
        rank = _rank(site, each)
        # Upstream and losses (Scope 3) of the same activity must not be taken for its Scope 2.
        if rank is None or carrier_of(row.activity) is None or row.scope not in (1, 2):
            continue
        # Instruments are somebody's: only those recorded for this site are its own.
        if rank == TENANT or (row.basis not in HELD and row.supplier.casefold() in ("", supplier.casefold())):
            groups[rank, row.basis, row.region, each.recorded_at_utc].append(each)
    for (rank, *_), group in groups.items():
        rows = [each.factor for each in group if each.factor.gwp_set in (None, gwp) or gwp is None]
        for bundle in bundles_of(rows, gwp):
            carrier, unit = carrier_of(bundle.head.activity), parse_unit(bundle.head.unit)
            by = ratio("kWh", unit.base)
            if carrier is None or by is None:
                continue
            yield (
                rank,
                DayFactor(
                    carrier=carrier,
                    basis=bundle.head.basis,
                    factor_id=bundle.factor_id,
                    kgco2e_per_kwh=converted(bundle.kgco2e_per_unit, by),
                    valid_from=bundle.valid_from,
                    valid_to=bundle.valid_to,
                    origin="tenant" if group[0].tenant else "store",
                    source=bundle.head.source,
                    sha256=bundle.head.sha256,
                    supplier=bundle.head.supplier,
                    calorific_basis=unit.calorific_basis,
                    instrument_kwh=bundle.head.instrument_kwh,
                    criteria=_criteria(site, bundle.head),
                    recorded_at_utc=group[0].recorded_at_utc,
                    **bundle.head.stated,
                ),
            )


def _criteria(site: Site, row: Factor) -> QualityCriteria:
    """Its quality criteria; an instrument of another country is of another market, whatever else is stated of it."""
    # ISO 3166-2: the country stands before the hyphen.
    country = row.region.partition("-")[0].casefold()
    is_foreign = row.basis in HELD and len(country) == COUNTRY_LETTERS and country != site.country.casefold()
    return row.criteria.model_copy(update={"is_same_market": False}) if is_foreign else row.criteria


def _rank(site: Site, stored: StoredFactor) -> int | None:
    if stored.tenant:
        return TENANT if stored.tenant == site.site_id else None
    places = {"": ANYWHERE, site.country.casefold(): COUNTRY}
    if site.subdivision:
        places[f"{site.country}-{site.subdivision}".casefold()] = SUBDIVISION
    return places.get(stored.factor.region.casefold())


def _resolve(ranks: dict[int, list[DayFactor]]) -> list[DayFactor]:
    taken: list[tuple[date, date]] = []
    found: list[DayFactor] = []
    # By precedence: days that an earlier source covers are taken, a later one fills what is left.
    for rank in sorted(ranks):
        entries = sorted(ranks[rank], key=lambda each: each.valid_from)
        # Within one source nobody can say which of two is meant; between sources precedence says it.
        for first, second in pairwise(entries):
            if second.valid_from < first.valid_to:
                raise BadInput(
                    f"factors {first.factor_id} and {second.factor_id} for {first.carrier} ({first.basis}) both hold "
                    f"on {second.valid_from}",
                    reason="factor_overlap",
                )
        parts = [part for entry in entries for part in _free(entry, taken)]
        found += parts
        taken += [(part.valid_from, part.valid_to) for part in parts]
    return found


def _free(entry: DayFactor, taken: Sequence[tuple[date, date]]) -> list[DayFactor]:
    """The entry on the days that are not taken."""
    spans = [(entry.valid_from, entry.valid_to)]
    for start, end in taken:
        spans = [
            (one, other)
            for first, last in spans
            for one, other in ((first, min(last, start)), (max(first, end), last))
            if one < other
        ]
    return [entry.model_copy(update={"valid_from": start, "valid_to": end}) for start, end in dict.fromkeys(spans)]


# Enough for pounds per MWh and for products with a GWP; sums of energy times factor still fit 38 digits.
FACTOR_DECIMALS = FACTOR.scale


class MeterFactor(NamedTuple):
    """The factor of a meter's energy on local days [start, end), kgCO2e per kWh, and the version that it is of."""

    meter_id: str
    start: date
    end: date
    kgco2e_per_kwh: Decimal
    version: DayFactor


def known_factors(site: Site, store: Store, *, as_of_utc: datetime | None = None) -> FactorView:
    """The site's factors as of then (None: now): those of its file and those recorded in the store."""
    stored = FactorStore(store).known(as_of_utc=as_of_utc, tenant=site.site_id)
    return factor_view(site, stored, as_of_utc=as_of_utc)


def meter_factors(site: Site, view: FactorView, meters: Collection[str] | None = None) -> list[MeterFactor]:
    """The factors of every meter that counts bought energy, by meter and time; days without one are not there.
    meters: of these alone, in their order.

    Energy made on site of metered energy (compressed air, steam) is counted where it was bought; water is no energy.
    Gas goes by the calorific basis that its meter states. Raises BadInput for a factor of 1000 kg per kWh or more.
    """
    found = []
    named = site.meters if meters is None else [each for name in meters if (each := site.meter(name)) is not None]
    for meter in named:
        if meter.carrier is Carrier.WATER or meter.is_made_on_site:
            continue
        for basis, first, after in calorific_spans(meter):
            for entry in view.fitting(meter.carrier, Basis.LOCATION, basis):
                start, end = max(entry.valid_from, first), min(entry.valid_to, after)
                if start < end:
                    found.append(MeterFactor(meter.meter_id, start, end, exact_factor(entry), entry))
    return found


def calorific_spans(meter: Meter) -> list[tuple[Literal["", "gross", "net"], date, date]]:
    """Calorific basis of the meter's kWh over local days; empty where it states none."""
    stated = sorted((each.valid_from, each.valid_to or LAST_DAY, each.basis) for each in meter.gas_factors)
    # Time between two statements has no basis: neither of them is stretched over it.
    edges = [FIRST_DAY, *(day for start, end, _ in stated for day in (start, end)), LAST_DAY]
    by_start = {start: basis for start, _, basis in stated}
    return [(by_start.get(one, ""), one, other) for one, other in pairwise(edges) if one < other]


def exact_factor(entry: DayFactor) -> Decimal:
    """The factor to fifteen decimals. Raises BadInput where it cannot be kilograms per kWh."""
    value = entry.kgco2e_per_kwh.quantize(Decimal(1).scaleb(-FACTOR_DECIMALS), rounding=ROUND_HALF_UP)
    # No fuel and no grid comes near a thousand.
    if value >= 1000:
        raise BadInput(
            f"factor {entry.factor_id} for {entry.carrier} comes to {value.normalize():f} kgCO2e per kWh",
            reason="factor_too_large",
            mend="check its unit: grams and pounds are no kilograms",
        )
    return value


def electricity_factors(view: FactorView, start: date, end: date) -> pl.DataFrame:
    """Factor of grid electricity by local day of [start, end): local_date, electricity_kgco2e_per_kwh (null: none)."""
    days = pl.DataFrame({"local_date": pl.date_range(start, end, closed="left", eager=True)})
    entries = view.fitting(Carrier.ELECTRICITY, Basis.LOCATION, "")
    value = pl.lit(None, dtype=FACTOR)
    for entry in entries:
        holds = (pl.col("local_date") >= entry.valid_from) & (pl.col("local_date") < entry.valid_to)
        value = pl.when(holds).then(pl.lit(exact_factor(entry), dtype=FACTOR)).otherwise(value)
    return days.with_columns(electricity_kgco2e_per_kwh=value)


def applicable_factors(
    site: Site, view: FactorView, meters: Collection[str], start: date, end: date
) -> tuple[DayFactor, ...]:
    """The factors that hold for one of the meters on a day of [start, end), each once, cut to those days."""
    found: dict[tuple[str, ...], DayFactor] = {}
    # Of these meters alone: a site of a thousand is asked for each of its scopes.
    for each in meter_factors(site, view, meters):
        if each.start < end and each.end > start:
            days = {"valid_from": max(each.start, start), "valid_to": min(each.end, end)}
            version = each.version.model_copy(update=days)
            found[version.carrier, str(version.valid_from), version.factor_id, version.calorific_basis] = version
    return tuple(found[key] for key in sorted(found))


def version_text(version: DayFactor) -> str:
    """All of a factor that an emission depends on: carrier, days, kilograms per kWh, name."""
    span = f"{version.valid_from}/{version.valid_to}"
    return f"{version.carrier} {span} {exact_factor(version).normalize():f} {version.factor_id}"
