"""I14: after the fact, an independent meter must not show the opposite of the device's command."""

from collections.abc import Sequence

from controls.safety.verdict import ALLOW, Live, Verdict, block

WRONG_SHARE = 0.1
WRONG_S = 30.0


def check_plausibility(live: Live) -> Verdict:
    """Block, so that the device is put back and latched, once a meter has moved the wrong way for WRONG_S.

    Without such a meter there is nothing to judge.
    """
    if live.wrong_way_s is not None and not live.wrong_way_s < WRONG_S:
        reason = f"the meter has moved the wrong way for {live.wrong_way_s:.0f} s"
        return block("I14", reason, wrong_way_s=live.wrong_way_s, wrong_way_kw=live.wrong_way_kw)
    return ALLOW


def wrong_way(
    samples: Sequence[tuple[float, float]], *, before_kw: float, expected_kw: float, rating_kw: float
) -> tuple[float, float]:
    """For how long, up to the last sample, the meter has shown the opposite of the change that was expected, and by how
    much at the end: (seconds, kW).

    samples: (monotonic seconds, kW) since the write, oldest first. before_kw: of the meter before it. expected_kw: the
    change that the set-point should have made, signed as the meter counts. Opposite: further than WRONG_SHARE of the
    rating from `before_kw` on the other side. One sample that is right, or not a number, begins anew.
    """
    since: float | None = None
    off_kw = 0.0
    for at_s, kw in samples:
        off_kw = -(kw - before_kw) * (1 if expected_kw > 0 else -1) if expected_kw else 0.0
        if not off_kw > WRONG_SHARE * rating_kw:
            since, off_kw = None, 0.0
        elif since is None:
            since = at_s
    return (0.0, 0.0) if since is None else (samples[-1][0] - since, off_kw)
