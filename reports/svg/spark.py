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
    energy: str = "actual",
) -> str:
    """The line, and the area between it and zero. text: the same in words. A gap stays a gap.

    energy: whose colour it has, where it is one's.
    """
    known = [value for value in values if value is not None]
    # From zero, as energy is; only what goes below it reaches further.
    least, most = min([0.0, *known]), max([0.0, *known])
    spread = (most - least) or 1.0

    def place(index: int, value: float) -> tuple[float, float]:
        x = _EDGE + (_WIDTH - 2 * _EDGE) * index / max(len(values) - 1, 1)
        return x, _HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * (value - least) / spread

    drawn = []
    for run in runs(values):
        points = [place(*each) for each in run]
        if len(points) > 1:
            ground = [place(run[-1][0], 0.0), place(run[0][0], 0.0)]
            drawn += [
                path([*points, *ground], f"band-expected area-{energy}", is_closed=True),
                path(points, f"line line-{energy}"),
            ]
        else:
            drawn.append(box(points[0][0] - 2, points[0][1] - 2, 4.0, 4.0, f"swatch-{energy}"))
    return picture(_WIDTH, _HEIGHT, title=title, description=text, kind="spark", inside=drawn)
