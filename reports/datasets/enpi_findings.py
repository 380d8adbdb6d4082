"""Findings before the numbers: why a status is missing, what is provisional, what looks wrong."""

from collections.abc import Iterable
from itertools import combinations

from assets.kpi.enpi.enpi_result import EnpiResult
from assets.sites.meter_tree import regions_of
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Sentence, Stored
from data_quality.contracts.site_file.site import Seu, Site
from reports.writer import words

SYNTHETIC = Finding(
    code="synthetic_data",
    message="The readings are simulated: the report shows the method; it never goes out without a mark on each page.",
    severity="blocking",
)
ORDER = {"blocking": 0, "warning": 1, "info": 2}


def shared_energy(seus: Iterable[Seu], site: Site) -> list[Finding]:
    """Uses of one carrier that share energy, for which no sum is given; an aggregate is meant to hold the others."""
    leaves = [seu for seu in seus if not seu.is_aggregate]
    return [
        Finding(
            code="overlapping_uses",
            message=Sentence(
                "{0} and {1} share energy: their sum would count it twice, so none is given.", one.name, two.name
            ),
            scope=f"seu:{one.seu_id}",
        )
        for one, two in overlapping(leaves, site)
        if one.carrier == two.carrier
    ]


def overlapping(seus: Iterable[Seu], site: Site) -> list[tuple[Seu, Seu]]:
    """Pairs of SEUs that share energy: a meter, one above or below it, or one that a formula holds."""
    parts = [(seu, regions_of(site, seu.meters)) for seu in seus]
    return [(one, two) for (one, mine), (two, theirs) in combinations(parts, 2) if mine & theirs]


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The gravest first."""
    return tuple(sorted(findings, key=lambda finding: (ORDER[finding.severity], finding.scope, finding.code)))


def seu_findings(seu: Seu, result: EnpiResult, version: BaselineVersion | None) -> list[Finding]:
    """Findings of one use's assessment: why it has none, its flags, its baseline's own findings."""
    scope = f"seu:{seu.seu_id}"
    found = [_reason_finding(seu, result, scope)] if result.reason else []
    if result.status in {"warning", "critical"}:
        found.append(
            Finding(
                code=f"status_{result.status}",
                message=Sentence(
                    "{0} used more energy than its baseline expects: status {1}.",
                    seu.name,
                    Sentence(words(result.status)),
                ),
                scope=scope,
            )
        )
    found.extend(
        Finding(code=flag, message=Sentence("{0}: {1}; to be reviewed.", seu.name, Sentence(words(flag))), scope=scope)
        for flag in result.review_flags
        # Too few days is said once, by the reason.
        if flag != result.reason
    )
    return found + (baseline_findings(seu.name, version, scope) if version else [])


def baseline_findings(name: str, version: BaselineVersion, scope: str) -> list[Finding]:
    """A baseline's own findings; one that was waived in writing at its approval no longer blocks."""
    found = []
    for each in version.baseline.findings:
        # An approval is possible only where each blocking finding was waived in writing.
        is_waived = each.is_blocking and version.approved_by is not None
        severity = "warning" if is_waived else each.severity
        pattern = "{0}, baseline: {1} Waived at approval." if is_waived else "{0}, baseline: {1}"
        message = Sentence(pattern, name, Stored(each.message))
        found.append(each.model_copy(update={"scope": scope, "severity": severity, "message": message}))
    return found


def _reason_finding(seu: Seu, result: EnpiResult, scope: str) -> Finding:
    sentences = {
        "no_baseline": "{0} has no baseline for this period and is not assessed.",
        "provisional": "The baseline of {0} is provisional: a named person has to approve it first.",
        "coverage": "{0} has too few complete days with known drivers to be assessed.",
        "expected": "The baseline of {0} expects no energy in this period.",
    }
    # Missing days make a comparison weaker; without an approved baseline there is none.
    is_blocking = result.reason in {"no_baseline", "provisional"}
    return Finding(
        code=result.reason,
        message=Sentence(sentences[result.reason], seu.name),
        severity="blocking" if is_blocking else "warning",
        scope=scope,
        facts={"days": result.days, "compared_days": result.compared_days},
    )
