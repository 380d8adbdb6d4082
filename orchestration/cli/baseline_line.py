"""A baseline version in the answers of `meterloom baseline`, and the one that a request names."""

from typing import Any

from data_quality.contracts.baseline import BaselineVersion
from data_quality.contracts.errors import BadInput
from orchestration.cli.frame import Call


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
    found = [v for v in store.versions(as_of_utc=call.as_of_utc) if v.baseline_id == baseline_id]
    if not found:
        raise BadInput(f"unknown baseline {baseline_id!r}; 'meterloom baseline list' names them", reason="no_baseline")
    return found[-1]
