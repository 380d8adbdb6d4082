"""What a reader must know before the numbers: why a status is missing, what is provisional, what looks wrong."""

from collections.abc import Iterable, Mapping

from assets.kpi.enpi_of_use.enpi_result import EnpiResult
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Seu
from reports.datasets.of_uses.enpi_figures import overlapping
from reports.datasets.of_uses.enpi_inputs import EnpiInputs
from reports.writer import words

# A year has hundreds: `trace --rows` lists them all.
NAMED_BATCHES = 5
SYNTHETIC = Finding(
    code="synthetic_data",
    message="The readings are simulated: the report shows the method; it never goes out without a mark on each page.",
    severity="blocking",
)
ORDER = {"blocking": 0, "warning": 1, "info": 2}


def report_findings(given: EnpiInputs, results: Mapping[str, EnpiResult]) -> list[Finding]:
    """What the inputs tell against the report's figures. Blocking ones keep it a draft."""
    found = list(given.findings)
    if given.batch_counts["rejected_rows"] > 0:
        found.append(
            Finding(
                code="rejected_rows",
                message="Rows of the meter files behind this period were rejected; they stand in quarantine.",
                facts={"rejected_rows": int(given.batch_counts["rejected_rows"])},
            )
        )
    if not given.seus:
        found.append(
            Finding(
                code="no_seu",
                message="The site file names no significant energy use, so nothing can be compared with a baseline.",
                severity="blocking",
            )
        )
    for seu in given.seus:
        found.extend(seu_findings(seu, results[seu.seu_id], given.versions.get(seu.seu_id)))
        found.extend(given.against_savings.get((seu.seu_id, given.period.end), ()))
    leaves = [seu for seu in given.seus if not seu.is_aggregate]
    found.extend(
        Finding(
            code="overlapping_uses",
            message=f"{one.name} and {two.name} share energy: their sum would count it twice, so none is given.",
            scope=f"seu:{one.seu_id}",
        )
        for one, two in overlapping(leaves, given.site)
        if one.carrier == two.carrier
    )
    return found


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The gravest first."""
    return tuple(sorted(findings, key=lambda finding: (ORDER[finding.severity], finding.scope, finding.code)))


def named_batches(given: EnpiInputs) -> str:
    """The batches that brought simulated rows, the oldest first; empty where there are none."""
    batches = list(given.synthetic_rows)
    more = f" and {len(batches) - NAMED_BATCHES} more" if len(batches) > NAMED_BATCHES else ""
    return " ".join(batches[:NAMED_BATCHES]) + more


def synthetic_facts(given: EnpiInputs) -> dict[str, str | float | int | bool | None]:
    """What is behind the mark; `trace --rows` lists the readings themselves."""
    baselines = [each for each in given.versions.values() if each.baseline.is_synthetic]
    return {
        "rows": sum(given.synthetic_rows.values()),
        "batches": named_batches(given) or None,
        "baselines": " ".join(f"{each.baseline_id}@{each.version}" for each in baselines) or None,
    }


def seu_findings(seu: Seu, result: EnpiResult, version: BaselineVersion | None) -> list[Finding]:
    """What stands against one use's assessment: why it has none, its flags, its baseline's own findings."""
    scope = f"seu:{seu.seu_id}"
    found = [_reason_finding(seu, result, scope)] if result.reason else []
    if result.status in {"warning", "critical"}:
        found.append(
            Finding(
                code=f"status_{result.status}",
                message=f"{seu.name} used more energy than its baseline expects: status {words(result.status)}.",
                scope=scope,
            )
        )
    found.extend(
        Finding(code=flag, message=f"{seu.name}: {words(flag)}; to be reviewed.", scope=scope)
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
        message = f"{name}, baseline: {each.message}" + (" Waived at approval." if is_waived else "")
        found.append(each.model_copy(update={"scope": scope, "severity": severity, "message": message}))
    return found


def _reason_finding(seu: Seu, result: EnpiResult, scope: str) -> Finding:
    sentences = {
        "no_baseline": f"{seu.name} has no baseline for this period and is not assessed.",
        "provisional": f"The baseline of {seu.name} is provisional: a named person has to approve it first.",
        "coverage": f"{seu.name} has too few complete days with known drivers to be assessed.",
        "expected": f"The baseline of {seu.name} expects no energy in this period.",
    }
    # Missing days make a comparison weaker; without an approved baseline there is none.
    is_blocking = result.reason in {"no_baseline", "provisional"}
    return Finding(
        code=result.reason,
        message=sentences[result.reason],
        severity="blocking" if is_blocking else "warning",
        scope=scope,
        facts={"days": result.days, "compared_days": result.compared_days},
    )
