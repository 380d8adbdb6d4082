"""The fifth grade of evidence: did an independent meter move as the command said it would?

Pure: values before and after, what was expected, and how noisy the meter is. The agent asks once a device's settling
time is over (dispatch.md B.3); the site names the meter, and a device's own reading is never one.
"""

from typing import Literal

from data_quality.contracts.model import Model

# Of the rating: what an instrument of class 1 and a rounding inverter may differ by together.
TOLERANCE_SHARE = 0.05
# Of the noise of the minute before: what a load beside it does by itself.
NOISE_SIGMAS = 3.0


class MeterResponse(Model):
    """What the meter said, kW, import positive. moved: as expected; not: otherwise; undecided: nobody can tell."""

    outcome: Literal["moved", "not", "undecided"]
    before_kw: float | None = None
    after_kw: float | None = None
    expected_kw: float | None = None
    allowed_kw: float | None = None
    reason: str


def judge(*, before_kw: float, after_kw: float, expected_kw: float, rating_kw: float, noise_kw: float) -> MeterResponse:
    """Compare a meter's change with the expected one; undecided where the noise hides it.

    noise_kw: standard deviation of the meter's last minute before the command.
    """
    allowed_kw = max(TOLERANCE_SHARE * rating_kw, NOISE_SIGMAS * noise_kw)
    facts = {"before_kw": before_kw, "after_kw": after_kw, "expected_kw": expected_kw, "allowed_kw": allowed_kw}
    change_kw = after_kw - before_kw
    if abs(expected_kw) <= allowed_kw:
        said = f"a change of {expected_kw:g} kW is less than this meter can tell ({allowed_kw:g} kW)"
        return MeterResponse(outcome="undecided", reason=said, **facts)
    is_moved = abs(change_kw - expected_kw) <= allowed_kw
    said = f"the meter moved by {change_kw:g} kW, expected {expected_kw:g} kW within {allowed_kw:g} kW"
    return MeterResponse(outcome="moved" if is_moved else "not", reason=said, **facts)
