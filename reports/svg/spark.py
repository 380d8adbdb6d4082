"""A spark line: how something went, without an axis; its numbers stand beside it."""

from collections.abc import Sequence

from reports.chart_geometry import runs
from reports.svg.markup import box, path, picture

_WIDTH, _HEIGHT, _EDGE = 240.0, 48.0, 4.0


def spark_svg(
    title: str,
    values: Sequence[float | None],
    *,
    text: str,
    low: Sequence[float | None] = (),
    high: Sequence[float | None] = (),
    energy: str = "actual",
) -> str:
    """The line, and where low and high are given the band around it. text: the same in words. A gap stays a gap.

    energy: whose colour it has, where it is one's.
    """
    known = [value for value in (*values, *low, *high) if value is not None]
    # From zero, as energy is; only what goes below it reaches further.
    least, most = min([0.0, *known]), max([0.0, *known])
    spread = (most - least) or 1.0

    def place(index: int, value: float) -> tuple[float, float]:
        x = _EDGE + (_WIDTH - 2 * _EDGE) * index / max(len(values) - 1, 1)
        return x, _HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * (value - least) / spread

    drawn = []
    # Only where both edges are known is there a band.
    both = [(a, b) if a is not None and b is not None else (None, None) for a, b in zip(low, high, strict=True)]
    for under, over in zip(runs([a for a, _ in both]), runs([b for _, b in both]), strict=True):
        drawn.append(path([place(*each) for each in (*over, *reversed(under))], "band-expected", is_closed=True))
    for run in runs(values):
        points = [place(*each) for each in run]
        drawn.append(
            path(points, f"line line-{energy}")
            if len(points) > 1
            else box(points[0][0] - 2, points[0][1] - 2, 4.0, 4.0, f"swatch-{energy}")
        )
    return picture(_WIDTH, _HEIGHT, title=title, description=text, kind="spark", inside=drawn)
