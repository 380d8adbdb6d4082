"""A baseline version in the answers of `meterloom baseline`, and the one that a request names."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from assets.kpi.enpi.savings_band import two_sided_t
from data_quality.contracts.baselines.baseline import Baseline, BaselineVersion, Coefficient
from data_quality.contracts.errors import BadInput
from orchestration.operations.answer import finding_lines
from orchestration.operations.operation import Call


def line(version: BaselineVersion) -> dict[str, Any]:
    """One version with the keys of the contract."""
    return {
        "id": version.baseline_id,
        "type": version.baseline.baseline_type.value,
        "seu": version.baseline.seu_id,
        "version": version.version,
        "status": version.status.value,
        "approved_by": version.approved_by,
        "digest": version.baseline.dataset_digest,
    }


def one(call: Call, baseline_id: str, version: int | None) -> BaselineVersion:
    """The version asked for, or the newest. Raises BadInput."""
    store = call.project.baselines
    if version is not None:
        return store.get(baseline_id, version, as_of_utc=call.as_of_utc)
    found = store.line(baseline_id, as_of_utc=call.as_of_utc)
    if not found:
        raise BadInput(f"unknown baseline {baseline_id!r}; 'meterloom baseline list' names them", reason="no_baseline")
    # The store gives versions in the order of their numbers.
    return found[-1]


def details(version: BaselineVersion) -> dict[str, Any]:
    """A version with its model, statistics and findings."""
    baseline = version.baseline
    return {
        **line(version),
        "model": baseline.model,
        "coefficients": {
            # Always at 95 % too, whatever the fit's own confidence: two baselines can then be held side by side.
            term.name: term.model_dump(exclude={"name"}) | {"ci95": interval(term, baseline, 0.95)}
            for term in baseline.coefficients
        },
        "confidence": baseline.confidence,
        **baseline.statistics.model_dump(),
        "findings": baseline.findings,
        "train_start": baseline.train_start,
        "train_end": baseline.train_end,
        "is_synthetic": baseline.is_synthetic,
        "fitted_by": version.fitted_by,
        "rejected_by": version.rejected_by,
        "reason": version.reason,
    }


def interval(term: Coefficient, baseline: Baseline, confidence: float) -> list[float]:
    """The coefficient's interval at another confidence (0–1): value ± t · standard error with n - p degrees."""
    half = two_sided_t(confidence, baseline.statistics.n - baseline.statistics.p) * term.standard_error
    return [term.value - half, term.value + half]


def version_text(version: BaselineVersion) -> str:
    """A version for people."""
    found, stats = version.baseline, version.baseline.statistics
    terms = " ".join(f"{t.value:+.6g}{'' if t.name == 'intercept' else ' × ' + t.name}" for t in found.coefficients)
    lines = [
        f"{version.baseline_id} v{version.version}, {version.status.value}: kWh/day = {terms}",
        f"  n {stats.n}, R² {stats.r2:.4f}, CV(RMSE) {stats.cvrmse_g14:.2%} in training, "
        f"{stats.cvrmse_out_of_sample:.2%} held out, NMBE held out {stats.nmbe_out_of_sample:+.2%}",
        f"  trained from {found.train_start} to {found.train_end - timedelta(days=1)}; {', '.join(_signers(version))}",
    ]
    return "\n".join([*lines, *finding_lines(found.findings)])


def _signers(version: BaselineVersion) -> Iterator[str]:
    """Each person behind a version, with the UTC day."""
    yield f"fitted by {version.fitted_by} on {version.fitted_at_utc:%Y-%m-%d}"
    for verb, person, at in (
        ("approved", version.approved_by, version.approved_at_utc),
        ("rejected", version.rejected_by, version.rejected_at_utc),
    ):
        if person is not None and at is not None:
            yield f"{verb} by {person} on {at:%Y-%m-%d}"
