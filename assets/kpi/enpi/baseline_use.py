"""Which of the five types of baseline may be used for what: they never mix (resolutions X14, X17)."""

from typing import Literal

from data_quality.contracts.baselines.baseline import BaselineType, BaselineVersion
from data_quality.contracts.errors import BadInput

Use = Literal["enpi", "savings", "monitoring", "report"]
ALLOWED: dict[Use, tuple[BaselineType, ...]] = {
    "enpi": (BaselineType.ENB,),
    "savings": (BaselineType.MV_PROJECT,),
    "monitoring": (BaselineType.MONITORING,),
    "report": (BaselineType.ENB, BaselineType.MV_PROJECT),
}


def require_type(version: BaselineVersion, use: Use) -> BaselineVersion:
    """The version, where its type is one that this use may read. Raises BadInput (baseline_type) otherwise."""
    found, allowed = version.baseline.baseline_type, ALLOWED[use]
    if found not in allowed:
        raise BadInput(
            f"baseline {version.baseline_id!r} is of type {found.value}; {use} reads only "
            f"{' and '.join(each.value for each in allowed)}",
            reason="baseline_type",
        )
    return version
