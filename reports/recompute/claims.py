"""Gate of savings claims (the gate of assets/kpi/claims, asked once a use), and what a saving is worth."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from assets.kpi.claims.gate import claim_findings, claim_refusal, horizon, known_span, undeclared, until
from assets.kpi.claims.mv_savings import project_claim_findings
from assets.kpi.enpi.enpi_result import DayPair, EnpiResult, EnpiRule, Exact, compared, sum_kwh
from assets.kpi.from_readings import KpiQuery, KpiRow
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period
from data_quality.contracts.units import ARITHMETIC
from reports.recompute.figure_sources import Sources
from reports.recompute.project import boundary_pairs


def use_saving_blocker(
    sources: Sources,
    site: Site,
    seu: Seu,
    version: BaselineVersion | None,
    *,
    end: date,
    as_of_utc: datetime,
    least_coverage: float = 1.0,
    pairs: Callable[[Period], Sequence[DayPair]] | None = None,
) -> tuple[Finding, ...]:
    """Reason against a saving of the use in a span that ends on `end` (exclusive), with its name.

    pairs: gives the days of a span, where the caller has them; else they come from the readings.
    """
    if version is None:
        return ()
    # Every span of the year has the same answer, so it is made once.
    pinned, year = (version.baseline_id, version.version), horizon(version.baseline.train_end, end)

    def found() -> tuple[Finding, ...]:
        span = known_span(version, as_of_utc, site.time_zone)
        days = pairs(span) if pairs is not None else sources.pairs(site, seu.seu_id, pinned, span, as_of_utc)
        every = claim_findings(
            days, version.baseline, end=year, declared=_declared(site, seu), least_coverage=least_coverage
        )
        return tuple(_named(each, seu) for each in every)

    made: tuple[Finding, ...] = sources.keep(
        ("against use", site.site_id, seu.seu_id, *pinned, year, as_of_utc, least_coverage), found
    )
    # A step of use after the span's end speaks against no saving before it.
    return until(made, end)


class Claim(Model):
    """A saving as far as it may be printed. savings_kwh: None where `not_claimed` says why; claimed_kwh: it exceeds its
    uncertainty too. findings: what speaks of changes of use, those that forbid no claim among them.
    """

    savings_kwh: Exact | None
    claimed_kwh: Exact | None
    not_claimed: str
    findings: tuple[Finding, ...]


def claim_of(site: Site, seu: Seu, result: EnpiResult, caveats: Sequence[Finding]) -> Claim:
    """The claim that an assessed span allows. caveats: of use_saving_blocker, up to the span's end."""
    bars = [each.code for each in caveats if each.is_blocking]
    barred = bars[0] if bars else claim_refusal(result)
    saved, claimed = (None, None) if barred else (result.savings_kwh, result.claimed_kwh)
    findings = tuple(caveats)
    if claimed is not None and not _declared(site, seu):
        findings = (*findings, _named(undeclared(float(claimed / result.expected_kwh)), seu))
    return Claim(savings_kwh=saved, claimed_kwh=claimed, not_claimed=barred, findings=findings)


def _named(finding: Finding, seu: Seu) -> Finding:
    return finding.model_copy(
        update={"scope": f"seu:{seu.seu_id}", "message": Sentence("{0}: {1}", seu.name, finding.message)}
    )


def _declared(site: Site, seu: Seu) -> list[date]:
    """Days on which the use was meant to change: installations of the projects that share a meter with it."""
    return [
        day
        for project in site.projects
        if project.seu == seu.seu_id or set(project.meters) & set(seu.meters)
        # Both ends: use may change when work begins and once more when it is done.
        for day in (project.installation_start, project.installation_end)
    ]


def project_saving_blocker(
    sources: Sources, site: Site, project: MvProject, version: BaselineVersion, *, end: date, as_of_utc: datetime
) -> tuple[Finding, ...]:
    """The same for what is inside of a project's boundary; the days of its installation are the declared change."""
    pinned, year = (version.baseline_id, version.version), horizon(version.baseline.train_end, end)

    def found() -> tuple[Finding, ...]:
        pairs = boundary_pairs(sources, site, project, version, as_of_utc)
        return project_claim_findings(site, project, version, pairs, end=year)

    made: tuple[Finding, ...] = sources.keep(
        ("against project", site.site_id, project.project_id, *pinned, year, as_of_utc), found
    )
    return until(made, end)


# Of a use's day: what its quarter hours cost at their own prices, and how much they were.
PRICED = ("cost", "consumption_kwh")
NO_PRICE = "no_price"
_DAY = timedelta(days=1)


def days_compared(pairs: Sequence[DayPair], period: Period, rule: EnpiRule) -> list[DayPair]:
    """Days that have a saving, and so need a price."""
    return compared(pairs, rule=rule, start=period.start, end=period.end)


def prices_of_day(scope: str, day: date) -> list[KpiQuery]:
    """KPIs that tell the price of a day: PRICED."""
    return [KpiQuery(kpi, scope, day, day + _DAY) for kpi in PRICED]


def worth(days: Sequence[DayPair], scope: str, row: Callable[[KpiQuery], KpiRow | None]) -> Decimal | None:
    """Σ (expected - metered) · price over the days, in the site's currency; below zero where more was used.

    A baseline expects whole days, so a day is the interval that has a price: cost over energy of the use, weighed by
    its own quarter hours. None without a day, and where a day that counts has no whole price: an unpriced day is not
    free of charge. Source: face.md 12, formulas 5.8 and 5.11.
    """
    found: list[Decimal] = []
    for day in days:
        assert day.expected_kwh is not None and day.actual_kwh is not None  # noqa: S101, PT018 - of days_compared
        saved = ARITHMETIC.subtract(day.expected_kwh, day.actual_kwh)
        cost, energy = (row(each) for each in prices_of_day(scope, day.local_date))
        is_whole = cost is not None and cost.value is not None and NO_PRICE not in cost.findings
        if saved and not (is_whole and energy is not None and energy.value):
            return None
        if saved:
            price = ARITHMETIC.divide(cost.value, energy.value)  # type: ignore[union-attr,arg-type]
            found.append(ARITHMETIC.multiply(saved, price))
    return sum_kwh(found) if days else None
