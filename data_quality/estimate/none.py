"""No estimate, on purpose: a stream whose owner wants holes to stay holes."""

from data_quality.contracts.finding import Finding
from data_quality.estimate.gap import Gap, refused
from data_quality.reading_grid import Grid

NAME = "none"


def estimate(grid: Grid, gap: Gap) -> Finding:
    """Always a finding."""
    return refused(grid, gap, NAME, "the site file asks for no estimates here")
