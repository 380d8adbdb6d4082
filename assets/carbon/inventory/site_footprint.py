"""Scope 1 and 2 of a site from its energies: by month, carrier, method and factor, weighted by consumption.

Source: formulas 5.12, 5.1 (secondary carriers); resolutions C3.2 (purchased steam is Scope 2), C3.23, C0.36.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, localcontext

from assets.carbon.factor_choice.bundles import bundles_of
from assets.carbon.factor_choice.factor_view import FactorView, as_factor
from assets.carbon.factor_choice.match import Part, shares
from assets.carbon.inventory.carbon_lines import line_of
from assets.carbon.inventory.energies import bought_generation
from assets.carbon.inventory.instruments import Allocation
from assets.carbon.inventory.scope2 import market_lines
from data_quality.contracts.emissions.carbon import Activity
from data_quality.contracts.emissions.footprint import DayFactor, Footprint, FootprintLine, Method, SiteEnergy
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Basis
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, months_of
from data_quality.contracts.units import EXACT

# Only gas burns on site: heat, steam and cooling are bought, and Scope 2 by resolution C3.2.
DIRECT = (Carrier.NATURAL_GAS,)
ZERO = Decimal(0)


@dataclass
class _Cell:
    """A month of one carrier between two changes of factor."""

    month: date
    start: date
    end: date
    carrier: Carrier
    calorific_basis: str
    kwh: Decimal | None = None
    covered: Decimal = ZERO
    days: int = 0
    estimated_kwh: Decimal = ZERO


@dataclass
class _Account:
    lines: list[FootprintLine] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    with_factor_kwh: Decimal = ZERO
    bought_kwh: Decimal = ZERO


def site_footprint(
    site: Site,
    energies: Sequence[SiteEnergy],
    factors: FactorView,
    *,
    period: Period,
    as_of_utc: datetime | None = None,
    earlier: Sequence[SiteEnergy] = (),
) -> Footprint:
    """The account of the period. energies: spans within it; days weigh a change of factor exactly. earlier: energies of
    the days before it, in no line: they use up certificates and contracts first (`claims_from`).

    A span over a change of factor is divided by days. Only `purchased` energy emits: exports do not net, PV used
    on site and energy made of metered energy are zero. A month without reading, or a day without factor, makes its line
    and its total None. Raises BadInput for water, for energy outside the period, and for two energies of one time.
    """
    _check(energies, period)
    account = _Account()
    allocation = Allocation()
    with localcontext(EXACT):
        if earlier:
            first = min(each.start for each in earlier)
            before = period.model_copy(update={"start": first, "end": period.start})
            for cell in _cells(earlier, factors, before):
                _direct_or_grid(cell, factors, _Account(), allocation)
        cells = _cells(energies, factors, period)
        for cell in cells:
            _direct_or_grid(cell, factors, account, allocation)
        account.findings += _missing_months(cells, period)
        account.lines += _empty_months(cells, period)
        account.findings += [*_coverage(cells), *_not_counted(energies), *_bought_generation(site)]
        return _footprint(site, period, as_of_utc, cells, account)


def _check(energies: Sequence[SiteEnergy], period: Period) -> None:
    seen: defaultdict[tuple[Carrier, str, str], list[SiteEnergy]] = defaultdict(list)
    for energy in sorted(energies, key=lambda each: each.start):
        if energy.carrier is Carrier.WATER:
            raise BadInput("water is measured in m3 and is in no kWh total", reason="water_in_kwh")
        if energy.start < period.start or energy.end > period.end or energy.end <= energy.start:
            raise BadInput(
                f"{energy.carrier} of {energy.start} to {energy.end} is not within {period.start} to {period.end}",
                reason="bad_period",
            )
        mine = seen[energy.carrier, energy.role, energy.calorific_basis]
        # In order of start, so the last one is the only one that can reach into this.
        if mine and energy.start < mine[-1].end:
            raise BadInput(
                f"{energy.carrier} ({energy.role}) appears twice on {energy.start}", reason="duplicate_energy"
            )
        mine.append(energy)


def _cells(energies: Sequence[SiteEnergy], factors: FactorView, period: Period) -> list[_Cell]:
    edges: dict[Carrier, list[date]] = {}
    months = [month.start for month in months_of(period)] + [period.end]
    for carrier in {energy.carrier for energy in energies}:
        # A cell ends wherever a factor of its carrier begins or ends, so that one factor holds through it.
        changes = {
            day for each in factors.entries if each.carrier == carrier for day in (each.valid_from, each.valid_to)
        }
        edges[carrier] = sorted({*months, *(day for day in changes if period.start < day < period.end)})
    found: dict[tuple[Carrier, str, date], _Cell] = {}
    for energy in energies:
        if energy.role != "purchased":
            continue
        for start, end, amount in _cut(energy, edges[energy.carrier]):
            first = max(day for day in edges[energy.carrier] if day <= start)
            after = min(day for day in edges[energy.carrier] if day > start)
            cell = found.setdefault(
                (energy.carrier, energy.calorific_basis, first),
                _Cell(max(day for day in months if day <= start), first, after, energy.carrier, energy.calorific_basis),
            )
            days = (end - start).days
            cell.days += days
            cell.covered += energy.coverage * days
            if amount is not None:
                cell.kwh = (cell.kwh or ZERO) + amount
                cell.estimated_kwh += amount * energy.estimated_share
    return [found[key] for key in sorted(found)]


def _cut(energy: SiteEnergy, edges: Sequence[date]) -> list[tuple[date, date, Decimal | None]]:
    inner = [day for day in edges if energy.start < day < energy.end]
    spans = list(zip([energy.start, *inner], [*inner, energy.end], strict=True))
    if energy.kwh is None:
        return [(start, end, None) for start, end in spans]
    amounts = shares(energy.kwh, [(end - start).days for start, end in spans])
    return [(start, end, amount) for (start, end), amount in zip(spans, amounts, strict=True)]


def _direct_or_grid(cell: _Cell, factors: FactorView, account: _Account, allocation: Allocation) -> None:
    """The lines of one cell: Scope 1, or Scope 2 by both methods."""
    methods = _methods(cell.carrier)
    account.bought_kwh += cell.kwh or ZERO
    if cell.kwh is None:
        account.lines += [_line(cell, method, None, None, None) for method in methods]
        return
    held = _held(factors, cell, Basis.LOCATION)
    if not held:
        account.findings.append(_no_factor(cell, factors))
        account.lines += [_line(cell, method, cell.kwh, None, None) for method in methods]
        return
    account.with_factor_kwh += cell.kwh
    (entry,) = held
    account.lines.append(_line(cell, methods[0], cell.kwh, cell.kwh * entry.kgco2e_per_kwh, entry))
    if cell.carrier not in DIRECT:
        _market(cell, entry, factors, account, allocation)


def _methods(carrier: Carrier) -> tuple[Method, ...]:
    return ("direct",) if carrier in DIRECT else ("location", "market")


def _market(cell: _Cell, grid: DayFactor, factors: FactorView, account: _Account, allocation: Allocation) -> None:
    assert cell.kwh is not None  # noqa: S101
    others = [each for basis in Basis if basis is not Basis.LOCATION for each in _held(factors, cell, basis)]
    rows = [as_factor(each) for each in others]
    by_id = {each.factor_id: each for each in [*others, grid]}
    activity = Activity(
        activity_id=cell.carrier.value,
        activity=cell.carrier.value,
        quantity=cell.kwh,
        unit="kWh",
        start=cell.start,
        end=cell.end,
    )
    part = Part(cell.start, cell.end, cell.kwh, bundles_of([as_factor(grid)], None)[0])
    location = [line_of(activity, part, basis="location", is_location=True, is_market=False)]
    # A site has no lines that could name one: what is recorded for it may cover it.
    lines, findings = market_lines(
        activity, [part], location, rows, gwp=None, allocation=allocation, states_instruments=False
    )
    account.findings += findings
    account.lines += [
        _line(cell, "market", line.quantity, line.kgco2e, by_id[line.factor_id], basis=line.basis)
        for line in lines
        if line.is_market
    ]


def _held(factors: FactorView, cell: _Cell, basis: Basis) -> list[DayFactor]:
    """Factors that hold through the cell; a site file's entry stands for the site's own kWh, whatever their basis."""
    return [each for each in factors.fitting(cell.carrier, basis, cell.calorific_basis) if _holds(each, cell)]


def _holds(entry: DayFactor, cell: _Cell) -> bool:
    return entry.valid_from <= cell.start and cell.end <= entry.valid_to


def _line(
    cell: _Cell,
    method: Method,
    kwh: Decimal | None,
    kgco2e: Decimal | None,
    entry: DayFactor | None,
    *,
    basis: str | None = None,
) -> FootprintLine:
    return FootprintLine(
        month=cell.month.replace(day=1),
        carrier=cell.carrier,
        scope=1 if cell.carrier in DIRECT else 2,
        method=method,
        kwh=kwh,
        kgco2e=kgco2e,
        factor_id=entry.factor_id if entry else None,
        kgco2e_per_kwh=entry.kgco2e_per_kwh if entry else None,
        basis=basis or (entry.basis.value if entry and method != "direct" else None),
        origin=entry.origin if entry else None,
        coverage=cell.covered / cell.days if cell.days else ZERO,
    )


def _named(carrier: Carrier) -> Sentence:
    return Sentence(carrier.value.replace("_", " "))


def _no_factor(cell: _Cell, factors: FactorView) -> Finding:
    others = [each.factor_id for each in factors.of(cell.carrier, Basis.LOCATION) if _holds(each, cell)]
    if others:
        stated = cell.calorific_basis or "no stated"
        return Finding(
            code="calorific_basis",
            message=Sentence(
                "{0} of {1} is in kWh of {2} calorific value, {3} is not: its emissions are unknown",
                _named(cell.carrier),
                f"{cell.start:%Y-%m}",
                Sentence(stated),
                ", ".join(others),
            ),
            severity="blocking",
            scope=cell.carrier.value,
            facts={"kwh": float(cell.kwh or 0)},
        )
    return Finding(
        code="no_factor",
        message=Sentence(
            "no factor for {0} from {1} to {2}: its emissions are unknown, not zero",
            _named(cell.carrier),
            cell.start,
            cell.end,
        ),
        severity="blocking",
        scope=cell.carrier.value,
        facts={"kwh": float(cell.kwh or 0), "days": (cell.end - cell.start).days},
    )


def _of_month(cells: Sequence[_Cell], period: Period) -> Iterator[tuple[Carrier, Period, list[_Cell]]]:
    """Carrier, calendar month, and the carrier's cells in it."""
    for carrier in sorted({cell.carrier for cell in cells}):
        for month in months_of(period):
            inside = [cell for cell in cells if cell.carrier == carrier and month.start <= cell.start < month.end]
            yield carrier, month, inside


def _missing_months(cells: Sequence[_Cell], period: Period) -> Iterator[Finding]:
    for carrier, month, mine in _of_month(cells, period):
        if all(cell.kwh is None for cell in mine):
            yield Finding(
                code="missing_month",
                message=Sentence(
                    "{0} of {1} was not read: the total of its scope is unknown", _named(carrier), month.label
                ),
                severity="blocking",
                scope=carrier.value,
                facts={"coverage": 0.0, "month": month.label},
            )


def _empty_months(cells: Sequence[_Cell], period: Period) -> Iterator[FootprintLine]:
    """Lines of months of which nothing is known: without them a total would look whole."""
    for carrier, month, mine in _of_month(cells, period):
        if not mine:
            empty = _Cell(month.start, month.start, month.end, carrier, "", days=month.days)
            yield from (_line(empty, method, None, None, None) for method in _methods(carrier))


def _coverage(cells: Sequence[_Cell]) -> Iterator[Finding]:
    for carrier in sorted({cell.carrier for cell in cells}):
        mine = [cell for cell in cells if cell.carrier == carrier]
        share = sum((cell.covered for cell in mine), ZERO) / sum(cell.days for cell in mine)
        if share < 1:
            yield Finding(
                code="coverage",
                message=Sentence(
                    "{0}: {1} of its time was read; emissions are of that, not scaled up",
                    _named(carrier),
                    Numeral(f"{share:.1%}"),
                ),
                scope=carrier.value,
                facts={"coverage": float(share)},
            )


def _not_counted(energies: Sequence[SiteEnergy]) -> Iterator[Finding]:
    if not any(each.role == "purchased" and each.carrier is Carrier.ELECTRICITY for each in energies):
        yield Finding(
            code="not_counted_electricity",
            message=Sentence("no meter counts bought electricity: what it emits is unknown, and in no total"),
            scope=Carrier.ELECTRICITY.value,
        )
    if not any(each.role == "purchased" and each.carrier in DIRECT for each in energies):
        yield Finding(
            code="not_counted_fuel",
            message=Sentence(
                "no meter counts fuel burnt on site: Scope 1 is not measured, and zero only if none is burnt"
            ),
            severity="info",
        )
    words = {
        "self_consumed": "made and used on site: zero, and outside Scope 2",
        "exported": "exported: does not net Scope 2",
        "secondary": "generated on site from energy that is metered already: counted there",
    }
    for role, why in words.items():
        for carrier in sorted({each.carrier for each in energies if each.role == role}):
            kwh = sum((each.kwh or ZERO for each in energies if each.role == role and each.carrier == carrier), ZERO)
            yield Finding(
                code=f"not_counted_{role}",
                message=Sentence("{0} kWh of {1} are {2}", Numeral(f"{kwh:,.1f}"), _named(carrier), Sentence(why)),
                severity="info",
                scope=carrier.value,
                facts={"kwh": float(kwh)},
            )


def _bought_generation(site: Site) -> Iterator[Finding]:
    for name in bought_generation(site):
        yield Finding(
            code="generation_as_purchase",
            message=Sentence(
                "meter {0} counts generation in the register of what is bought and has no parent meter: "
                "its kWh are in Scope 2 as if bought; give it a register 'generation', or the meter above it",
                name,
            ),
            scope=name,
        )


def _footprint(
    site: Site, period: Period, as_of_utc: datetime | None, cells: Sequence[_Cell], account: _Account
) -> Footprint:
    def total(method: str) -> Decimal | None:
        # A sum without its unknown parts would be a smaller footprint: the total is unknown with them.
        values = [line.kgco2e for line in account.lines if line.method == method]
        return None if any(value is None for value in values) else sum((value or ZERO for value in values), ZERO)

    days = sum(cell.days for cell in cells)
    ordered = sorted(account.lines, key=lambda line: (line.month, line.carrier, line.method))
    return Footprint(
        site_id=site.site_id,
        period=period.label,
        start=period.start,
        end=period.end,
        as_of_utc=as_of_utc,
        scope1_kgco2e=total("direct"),
        scope2_location_kgco2e=total("location"),
        scope2_market_kgco2e=total("market"),
        lines=tuple(ordered),
        factor_ids=tuple(sorted({line.factor_id for line in ordered if line.factor_id})),
        coverage=sum((cell.covered for cell in cells), ZERO) / days if days else ZERO,
        factor_coverage=account.with_factor_kwh / account.bought_kwh if account.bought_kwh else ZERO,
        findings=_once(account.findings),
    )


def _once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    # Cells of one month repeat what is said of the month.
    return tuple({(each.code, each.message): each for each in findings}.values())
