"""Sites compared with their peers: a row a site, and the caveats to read before the ranks. Pure."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from assets.kpi.benchmark.intensity import Intensity
from assets.kpi.benchmark.ranks import ASSUMED_DRIFT, MIN_PEERS, Rank, ranked
from assets.kpi.benchmark.register import GroupBy, ReferenceValue, RegisteredSite, group_of, reference_percentile
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Numeral, Sentence, sentences

UNIT = "kWh/m2/yr"
# A value so many times its group's median, or that little of it, is a wrong unit or a wrong area.
MAX_PEER_FACTOR = 20.0
MONTHS_A_YEAR = 12


class BenchmarkRow(Model):
    """One site. value: kWh/m² a year, normalised as `normalised_by` says, raw_value before. peers: usable sites of the
    group, itself among them. rank 1 is the least. reason: the code of the finding where there is no rank.
    """

    site: str
    group: str
    peers: int
    value: float | None
    raw_value: float | None
    unit: str = UNIT
    percentile: float | None = None
    percentile_interval: tuple[float, float] | None = None
    rank: int | None = None
    rank_interval: tuple[int, int] | None = None
    normalised_by: tuple[str, ...] = ()
    coverage: float
    reason: str = ""
    reference: str = ""


class Benchmark(Model):
    """Rows by group and rank, and the findings, those that stop a rank first."""

    rows: tuple[BenchmarkRow, ...]
    findings: tuple[Finding, ...]
    confidence: float
    assumed_drift: float


def benchmark(
    found: Sequence[Intensity],
    register: Mapping[str, RegisteredSite],
    *,
    by: Sequence[GroupBy] = ("use",),
    factors: Mapping[str, Mapping[str, float]] | None = None,
    references: Sequence[ReferenceValue] = (),
    drift: float = ASSUMED_DRIFT,
    confidence: float = 0.9,
    seed: int,
) -> Benchmark:
    """Ranks of the sites within their groups.

    factors: by what is normalised -> site -> the factor on its raw value; a site without one has no value then.
    drift: assumed standard deviation of a building's year against its next. Raises BadInput for a drift below 0.
    """
    if not 0 <= drift < 1:
        raise BadInput(f"a drift of {drift:g} between years: expected 0 to below 1", reason="bad_number")
    given = dict(factors or {})
    reasons, findings = _unusable(found, register)
    values = _values(found, given, reasons, findings)
    groups = _grouped(values, register, by, reasons, findings)
    by_name = {each.site: each for each in found}
    places: dict[str, Rank] = {}
    for group, sites in sorted(groups.items()):
        kept = groups[group] = _in_line(group, sites, values, reasons, findings)
        if len(kept) < MIN_PEERS:
            findings.append(_too_few(group, kept))
            reasons |= dict.fromkeys(kept, "too_few_peers")
            continue
        months = [np.array([getattr(by_name[site], name) for site in kept]) for name in ("mean_kw", "hours")]
        level = [values[site] for site in kept]
        ranks = ranked(level, months[0], months[1], drift=drift, confidence=confidence, seed=seed)
        places |= zip(kept, ranks, strict=True)
    rows = []
    for each in found:
        group, value = group_of(register[each.site], by), values.get(each.site)
        row = BenchmarkRow(
            site=each.site,
            group=group,
            peers=len(groups.get(group, ())),
            value=value,
            raw_value=each.value,
            normalised_by=tuple(given),
            coverage=each.coverage,
            reason=reasons[each.site],
            reference=reference_percentile(value, register[each.site].use, references) if value is not None else "",
        )
        rows.append(_placed(row, places.get(each.site)))
    return Benchmark(
        rows=tuple(sorted(rows, key=lambda row: (row.group, row.rank or len(rows) + 1, row.value or 0.0, row.site))),
        findings=tuple(sorted(findings, key=lambda finding: not finding.is_blocking)),
        confidence=confidence,
        assumed_drift=drift,
    )


def _unusable(
    found: Sequence[Intensity], register: Mapping[str, RegisteredSite]
) -> tuple[dict[str, str], list[Finding]]:
    """Site -> why it has no value, empty where it has one; and the caveats of meters and of the period."""
    findings = [finding for each in found for finding in each.findings]
    reasons = {
        each.site: next((f.code for f in each.findings if f.is_blocking), "")
        or ("" if register[each.site].floor_area_m2 else "floor_area_unusable")
        for each in found
    }
    months = max((len(each.hours) for each in found), default=0)
    if months < MONTHS_A_YEAR:
        message = Sentence("The period has {0} months: values are scaled to a year, and a season is missing.", months)
        findings.append(Finding(code="part_of_a_year", message=message, facts={"months": months}))
    return reasons, findings


def _values(
    found: Sequence[Intensity],
    factors: Mapping[str, Mapping[str, float]],
    reasons: dict[str, str],
    findings: list[Finding],
) -> dict[str, float]:
    """Site -> its normalised value; a site without a factor has a finding and a reason instead."""
    values = {}
    for each in found:
        lacking = [name for name, factor in factors.items() if each.site not in factor]
        if each.value is not None and lacking:
            reasons[each.site] = "not_normalised"
            findings.append(_not_normalised(each.site, lacking))
        elif each.value is not None:
            values[each.site] = each.value * math.prod(factor[each.site] for factor in factors.values())
    return values


def _grouped(
    values: Mapping[str, float],
    register: Mapping[str, RegisteredSite],
    by: Sequence[GroupBy],
    reasons: dict[str, str],
    findings: list[Finding],
) -> dict[str, list[str]]:
    """Group -> sites with a value; of sites whose use nobody states none is like another, where the use divides."""
    groups, unsaid = defaultdict[str, list[str]](list), list[str]()
    for site in values:
        (unsaid if "use" in by and not register[site].use else groups[group_of(register[site], by)]).append(site)
    if unsaid:
        findings.append(_no_use(unsaid))
        reasons |= dict.fromkeys(unsaid, "no_use")
    return groups


def _placed(row: BenchmarkRow, place: Rank | None) -> BenchmarkRow:
    """The row with its rank, where it has one."""
    if place is None:
        return row
    names = ("rank", "rank_interval", "percentile", "percentile_interval")
    return row.model_copy(update={name: getattr(place, name) for name in names})


def hours_factors(found: Sequence[Intensity], register: Mapping[str, RegisteredSite]) -> dict[str, float]:
    """Site -> factor to the median opening hours of the sites that say theirs.

    What runs around the clock (the site's base load) stays; the rest is taken to go with the opening hours.
    """
    known = {each.site: hours for each in found if (hours := register[each.site].hours_per_week) is not None}
    if not known:
        return {}
    usual = float(np.median(list(known.values())))
    shares = {each.site: each.base_share for each in found}
    return {site: shares[site] + (1.0 - shares[site]) * usual / hours for site, hours in known.items()}


def anonymous_rows(found: Benchmark) -> list[dict[str, object]]:
    """Ranked rows for others to see: a number for the site, the value to three digits, nothing that names anybody."""
    return [
        {
            "group": row.group,
            "peers": row.peers,
            "number": row.rank,
            "value": float(f"{row.value:.3g}"),
            "unit": row.unit,
            "percentile": round(row.percentile or 0.0),
            "normalised_by": "+".join(row.normalised_by),
        }
        for row in found.rows
        if row.rank is not None and row.value is not None
    ]


def _in_line(
    group: str,
    sites: Sequence[str],
    values: dict[str, float],
    reasons: dict[str, str],
    findings: list[Finding],
) -> list[str]:
    """Peers of a group; a site far off their median has a finding and a reason instead."""
    middle = float(np.median([values[site] for site in sites]))
    kept = []
    for site in sites:
        factor = max(values[site] / middle, middle / values[site])
        if factor <= MAX_PEER_FACTOR:
            kept.append(site)
            continue
        reasons[site] = "out_of_line_with_peers"
        findings.append(
            Finding(
                code="out_of_line_with_peers",
                message=Sentence(
                    "{0} takes {1} {2}, {3} times off the median of {4} ({5}): its unit or its floor area is "
                    "wrong. It has no rank, and is not used as a peer.",
                    site,
                    Numeral.rounded(values[site], 3),
                    UNIT,
                    Numeral(f"{factor:,.0f}"),
                    group,
                    Numeral.rounded(middle, 3),
                ),
                severity="blocking",
                scope=f"site:{site}",
                facts={"value": values[site], "median": middle},
            )
        )
    return kept


def _too_few(group: str, sites: Sequence[str]) -> Finding:
    return Finding(
        code="too_few_peers",
        message=Sentence(
            "{0}: {1} of at least {2} usable sites ({3}): no rank.", group, len(sites), MIN_PEERS, ", ".join(sites)
        ),
        severity="info",
        scope=f"group:{group}",
        facts={"peers": len(sites), "wanted": MIN_PEERS},
    )


def _no_use(sites: Sequence[str]) -> Finding:
    return Finding(
        code="no_use",
        message=Sentence("Nobody states the use of {0}: no peers are known, and no rank.", ", ".join(sites)),
        severity="info",
        facts={"sites": len(sites)},
    )


def _not_normalised(site: str, lacking: Sequence[str]) -> Finding:
    return Finding(
        code="not_normalised",
        message=Sentence(
            "{0} cannot be normalised by {1}: it has no rank.", site, sentences([*map(Sentence, lacking)], " and ")
        ),
        severity="blocking",
        scope=f"site:{site}",
    )
