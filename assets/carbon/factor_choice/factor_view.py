"""The factors of a site as known at an instant: which source decides for each carrier, basis and local day.

Precedence, first to last: rows of the store recorded for this site; the site file; rows of the store for the site's
subdivision, then for its country; rows without region. A later source holds only on days that no earlier one covers.
A row of the store is for one calorific basis; a site file's entry, for the site's own kWh, ranks among those of each.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

from assets.carbon.factor_choice.bundles import bundles_of
from assets.carbon.factor_choice.match_units import converted, parse_unit, ratio
from data_quality.contracts.emissions.footprint import DayFactor
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import HELD, Basis, Factor, GwpSet, QualityCriteria, StoredFactor
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site, check_factors

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
        """Those of the carrier and basis, in order of their days."""
        return tuple(each for each in self.entries if each.carrier == carrier and each.basis == basis)

    def fitting(self, carrier: Carrier, basis: Basis, calorific_basis: str) -> tuple[DayFactor, ...]:
        """Of these, those for kWh of that calorific basis: on one day one. Where none states it, the site file's."""
        own = self.of(carrier, basis)
        stated = tuple(each for each in own if each.calorific_basis == calorific_basis)
        return stated or tuple(each for each in own if each.origin == "site_file" and not each.calorific_basis)


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
    check_factors(site)
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
                ),
            )


def _criteria(site: Site, row: Factor) -> QualityCriteria:
    """Its quality criteria; what is held of another country is of another market, whatever else is said of it."""
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
