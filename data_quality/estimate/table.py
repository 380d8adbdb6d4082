"""Which method fills a gap: the one that knows most. A gap that none can fill stays one, with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.vee import ValidationRules
from data_quality.estimate import like_day, linear, none, register_total
from data_quality.estimate.gap import Estimate, Gap
from data_quality.reading_grid import Grid


@dataclass(frozen=True)
class Estimates:
    """estimates and refusals of the gaps asked for, in their order."""

    estimates: tuple[Estimate, ...]
    refused: tuple[Finding, ...]


def cleaned(grid: Grid, gaps: Sequence[Gap]) -> Grid:
    """The grid with these slots unknown: a value that is to be replaced is no evidence for its neighbours."""
    values = grid.values.copy()
    for gap in gaps:
        values[gap.row, gap.first : gap.end] = np.nan
    return replace(grid, values=values)


def fill(grid: Grid, gaps: Sequence[Gap], *, time_zone: str, rules: ValidationRules | None = None) -> Estimates:
    """Estimate every gap from the rest of the grid, none from another estimate. The grid is not changed."""
    declared = rules or ValidationRules()
    rest = cleaned(grid, gaps)
    found: list[Estimate] = []
    refusals: list[Finding] = []
    for gap in gaps:
        answer = _fill(rest, gap, time_zone, declared)
        if isinstance(answer, Estimate):
            found.append(answer)
        else:
            refusals.append(answer)
    return Estimates(tuple(found), tuple(refusals))


def _fill(grid: Grid, gap: Gap, time_zone: str, declared: ValidationRules) -> Estimate | Finding:
    method = declared.method(grid.streams[gap.row].meter_id)
    if method == none.NAME:
        return none.estimate(grid, gap)
    # Who declares like_day or linear gets it, also where a total is known.
    if gap.total is not None and method in {"auto", register_total.NAME}:
        return register_total.estimate(grid, gap, time_zone=time_zone)
    if method in {"auto", linear.NAME}:
        answer = linear.estimate(grid, gap)
        if isinstance(answer, Estimate) or method == linear.NAME:
            return answer
    # Declared register_total ends here too where no total is known: like days give its shape.
    return like_day.estimate(grid, gap, time_zone=time_zone)
