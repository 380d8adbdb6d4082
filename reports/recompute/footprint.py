"""A site's greenhouse gas inventory made from its readings and dated factors: what its figures trace to.

Certificates and contracts are used up in order of time, so a month's market-based figure rests on the account from
the first day of its year on, and of an amount that holds across it from that one's. An account is made once and its
months are read from it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from assets.carbon.inventory.energies import site_energies, without_deliveries
from assets.carbon.inventory.site_footprint import site_footprint
from assets.sites.meter_tree import has_import, primary_meters, total_meters, tree_spans
from assets.sites.organisation import deliveries_of
from data_quality.contracts.emissions.footprint import Footprint, FootprintLine, Role, SiteEnergy
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.recompute.figure_sources import Sources

# Amounts by the roles of the energies that are in them.
ENERGIES: Mapping[str, tuple[Role, ...]] = {
    "energy_kwh": ("purchased",),
    "self_consumed_kwh": ("self_consumed",),
    "consumed_kwh": ("purchased", "self_consumed"),
    "sold_kwh": ("exported",),
}
FIELDS = (*ENERGIES, "scope1_kgco2e", "scope2_location_kgco2e", "scope2_market_kgco2e")
LINES = {
    "scope1_kgco2e": (1, "direct"),
    "scope2_location_kgco2e": (2, "location"),
    "scope2_market_kgco2e": (2, "market"),
}


def carriers_of(site: Site) -> tuple[Carrier, ...]:
    """Carriers that the site buys and measures in kWh, in the order of the list of carriers."""
    bought = _bought(site)
    return tuple(c for c in Carrier if any(m.carrier is c and m.meter_id in bought for m in site.meters))


def meters_of(site: Site, carrier: Carrier) -> tuple[str, ...]:
    """The meters that make what the site buys of a carrier, at any time."""
    bought = _bought(site)
    return tuple(meter.meter_id for meter in site.meters if meter.carrier is carrier and meter.meter_id in bought)


def account_of(period: Period, until: date, since: date | None = None) -> Period:
    """The account that a span within one calendar year is read from: from the first of January, until a date in it.

    since: the day from which the site counts, where that is later in the year.
    """
    year_end = date(period.start.year + 1, 1, 1)
    # One account for all months of a report, instead of one for each of them.
    end = max(period.end, min(until, year_end))
    start = max(date(period.start.year, 1, 1), since or date.min)
    return Period(label="", start=start, end=end, time_zone=period.time_zone)


def number(
    sources: Sources,
    site: Site,
    period: Period,
    account: Period,
    as_of_utc: datetime,
    *,
    field: str,
    carrier: str = "",
    left_out: str = "",
) -> Decimal | None:
    """A number of whole months of the account, of one carrier or of all. None where a reading or factor is missing.

    left_out: deliveries within an organisation, as `deliveries_text` has them. Raises OurFault for a field that is not
    one, and for months outside the account.
    """
    if field not in FIELDS:
        raise OurFault(f"{field!r} is not a number of the inventory")
    if period.start < account.start or period.end > account.end:
        raise OurFault(f"{period.start} to {period.end} is outside the account {account.start} to {account.end}")
    if field in ENERGIES:
        known = [
            each.kwh
            for each in energies(sources, site, account, as_of_utc, left_out)
            if each.role in ENERGIES[field]
            and carrier in ("", each.carrier)
            and period.start <= each.start < period.end
            and each.kwh is not None
        ]
        # Of energy the known part is told, and a finding names the rest; emissions of a part would pass for the whole.
        return sum(known, Decimal(0)) if known else None
    lines = [
        line.kgco2e
        for line in lines_of(sources, site, period, account, as_of_utc, left_out)
        if (line.scope, line.method) == LINES[field] and carrier in {"", line.carrier.value}
    ]
    parts = [each for each in lines if each is not None]
    return sum(parts, Decimal(0)) if len(parts) == len(lines) else None


def lines_of(
    sources: Sources, site: Site, period: Period, account: Period, as_of_utc: datetime, left_out: str = ""
) -> list[FootprintLine]:
    """The account's lines of the months of a span. Raises BadInput where the account cannot be made."""
    # Lines are of months: a span that begins within one has an account of its own, behind the days before it.
    since, is_within = account.start, period.start.day > 1
    own = account.model_copy(update={"start": period.start}) if is_within else account
    found = footprint(sources, site, own, as_of_utc, left_out, since)
    if isinstance(found, BadInput):
        raise found
    # A line is named by its month's first day; of the month in which an account begins it holds the days from there on.
    return [line for line in found.lines if period.start <= max(line.month, own.start) < period.end]


def findings_of(sources: Sources, site: Site, period: Period, as_of_utc: datetime) -> list[Finding]:
    """Findings of the inventory of the span itself."""
    found = footprint(sources, site, period, as_of_utc)
    if isinstance(found, BadInput):
        return [
            Finding(code="no_inventory", message=Sentence("No inventory can be made: {0}.", found), severity="blocking")
        ]
    return [each.model_copy(update={"message": _sentence(each.message)}) for each in _months_together(found.findings)]


def _months_together(findings: Sequence[Finding]) -> list[Finding]:
    """One finding for all months that a carrier was not read in, where its first stood."""
    found: list[Finding] = []
    months: dict[str, list[str]] = {}
    for each in findings:
        if each.code != "missing_month":
            found.append(each)
            continue
        if each.scope not in months:
            found.append(each)
        months.setdefault(each.scope, []).append(str(each.facts.get("month", "")))
    return [
        each.model_copy(
            update={
                "message": Sentence(
                    "{0} of {1} was not read: the total of its scope is unknown",
                    Sentence(each.scope.replace("_", " ")),
                    ", ".join(months[each.scope]),
                ),
                "facts": {},
            }
        )
        if each.code == "missing_month"
        else each
        for each in found
    ]


def footprint(
    sources: Sources, site: Site, period: Period, as_of_utc: datetime, left_out: str = "", since: date | None = None
) -> Footprint | BadInput:
    """Scope 1 and 2 of the span as known at T; a BadInput says why there is none (two factors of one day, say). since:
    the day before it from which energy used up certificates and contracts.
    """
    first = since or period.start
    return sources.keep(
        ("footprint", site.site_id, period.start, period.end, as_of_utc, left_out, first),
        lambda: _footprint(sources, site, period, as_of_utc, left_out, first),
    )


def energies(
    sources: Sources, site: Site, period: Period, as_of_utc: datetime, left_out: str = ""
) -> tuple[SiteEnergy, ...]:
    """Energy that the site bought, by carrier and local day."""
    key = ("site energies", site.site_id, period.start, period.end, as_of_utc, left_out)
    return sources.keep(key, lambda: _energies(sources, site, period, as_of_utc, left_out))


def factors_sha256(sources: Sources, site: Site, as_of_utc: datetime | None) -> str:
    """Hash of every factor that the site's inventory may use, as known at T (None: now)."""
    view = sources.factors(site, as_of_utc)
    # The same set recorded once more says nothing new.
    rows = sorted(each.model_dump_json(exclude={"recorded_at_utc"}) for each in view.entries)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def factor_input(sources: Sources, site: Site, as_of_utc: datetime) -> TraceInput:
    """The factors as an input: those of the site file and of the recorded sets."""
    return sources.keep(
        ("factor input", site.site_id, as_of_utc),
        lambda: TraceInput(
            kind="version", id=site.site_id, role="factors", sha256=factors_sha256(sources, site, as_of_utc)
        ),
    )


def _bought(site: Site) -> set[str]:
    return {name for part in tree_spans(site) for name in primary_meters(site, part.start)}


def _footprint(
    sources: Sources, site: Site, period: Period, as_of_utc: datetime, left_out: str, since: date
) -> Footprint | BadInput:
    before = period.model_copy(update={"start": since, "end": period.start})
    try:
        view = sources.factors(site, as_of_utc)
        earlier = energies(sources, site, before, as_of_utc, left_out) if since < period.start else ()
        own = energies(sources, site, period, as_of_utc, left_out)
        return site_footprint(site, own, view, period=period, as_of_utc=as_of_utc, earlier=earlier)
    except BadInput as fault:
        return fault


def _energies(
    sources: Sources, site: Site, period: Period, as_of_utc: datetime, left_out: str
) -> tuple[SiteEnergy, ...]:
    totals = {
        name for carrier in Carrier for part in tree_spans(site) for name in total_meters(site, carrier, part.start)
    }
    # Meters below others say nothing here, and a large site has many of them.
    delivered = deliveries_of(left_out)
    wanted = {each.meter for each in delivered} | {
        meter.meter_id
        for meter in site.meters
        if has_import(meter) and not meter.is_virtual and (meter.meter_id in totals or meter.is_made_on_site)
    }
    small = site.model_copy(
        update={"meters": tuple(m for m in site.meters if m.meter_id in wanted | _above(site, wanted))}
    )
    rows = sources.stream_readings(site, sorted(wanted), period.start, period.end, as_of_utc)
    found = site_energies(rows, site=small, period=period)
    return without_deliveries(found, rows, site=small, left_out=delivered)[0]


def _above(site: Site, names: set[str]) -> set[str]:
    """Every meter above these at any time: whether one counts depends on what stands above it."""
    found, level = set[str](), set(names)
    while level:
        parents = {
            above
            for meter in site.meters
            if meter.meter_id in level
            for above in [meter.parent, *(part.parent for part in meter.parents)]
            if above is not None
        }
        level = parents - found
        # Only what is new climbs on: a hierarchy that changed over the years may lead back to itself.
        found |= parents
    return found


def _sentence(text: str) -> Sentence:
    """A part of a sentence as one of its own: with a capital letter and a point."""
    if not isinstance(text, Sentence):
        made = Sentence(text[:1].upper() + text[1:])
    else:
        first, *rest = text.given or ("",)
        if text.pattern.startswith("{0}"):
            first = _sentence_of(first)
        made = Sentence(text.pattern[:1].upper() + text.pattern[1:], *([first, *rest] if text.given else []))
    return made if made.endswith(".") else Sentence("{0}.", made)


def _sentence_of(first: object) -> object:
    """First part of a sentence, with a capital letter: a word of ours, or a name."""
    text = str(first)[:1].upper() + str(first)[1:]
    return Sentence(text) if isinstance(first, Sentence) else text
