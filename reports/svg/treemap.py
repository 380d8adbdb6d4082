"""A treemap: each part as large as its share of the whole, the largest first; at most sixty, the rest as one."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reports.svg.flow import ROLES
from reports.svg.markup import box, label, picture

WIDTH, HEIGHT, MOST = 360.0, 200.0, 60


class Tile(NamedTuple):
    """One part. value: its size, greater than zero; text: the same as people read it, with its unit."""

    name: str
    value: float
    text: str


def treemap_svg(title: str, tiles: Sequence[Tile], *, others: str = "others") -> str:
    """The picture. Parts of zero or less have no area: whoever makes the tiles tells them in words."""
    shown = sorted((tile for tile in tiles if tile.value > 0), key=lambda tile: (-tile.value, tile.name))
    if len(shown) > MOST:
        rest = shown[MOST - 1 :]
        shown = [*shown[: MOST - 1], Tile(f"{others} ({len(rest)})", math.fsum(tile.value for tile in rest), "")]
    said = "; ".join(f"{tile.name} {tile.text}".strip() for tile in shown[:8])
    places = squares([tile.value for tile in shown], WIDTH, HEIGHT)
    inside = [part for at, tile in enumerate(shown) for part in _drawn(tile, places[at], ROLES[at % len(ROLES)])]
    return picture(WIDTH, HEIGHT, title=title, description=said or "nothing to show", kind="treemap", inside=inside)


Box = tuple[float, float, float, float]


def squares(values: Sequence[float], width: float, height: float) -> list[Box]:
    """Boxes (x, y, width, height) of these areas, largest first, as square as may be; together they fill the whole.

    Squarified treemaps (Bruls, Huizing, van Wijk 2000): a row takes the next value while that makes it squarer.
    """
    found: list[Box] = []
    x, y, at = 0.0, 0.0, 0
    while at < len(values):
        left = math.fsum(values[at:])
        area = width * height / left
        short, end = min(width, height), at + 1
        while end < len(values) and _worst(values[at : end + 1], area, short) <= _worst(values[at:end], area, short):
            end += 1
        row = values[at:end]
        deep = math.fsum(row) * area / short
        offset = 0.0
        for value in row:
            long = value * area / deep
            is_column = width >= height
            found.append((x, y + offset, deep, long) if is_column else (x + offset, y, long, deep))
            offset += long
        if width >= height:
            x, width = x + deep, width - deep
        else:
            y, height = y + deep, height - deep
        at = end
    return found


def _worst(row: Sequence[float], area: float, short: float) -> float:
    """The longest side over the shortest of a row's boxes."""
    deep = math.fsum(row) * area / short
    return max(max(deep * deep / (value * area), value * area / (deep * deep)) for value in row)


def _drawn(tile: Tile, place: Box, role: str) -> Iterator[str]:
    x, y, width, height = place
    tip = f"{tile.name} {tile.text}".strip()
    yield box(x + 0.75, y + 0.75, max(width - 1.5, 0.5), max(height - 1.5, 0.5), f"tile-{role}", tip)
    if width > 46 and height > 20:
        yield label(x + 5, y + 15, tile.name, kind="strong", room=width - 8)
    if width > 46 and height > 36 and tile.text:
        yield label(x + 5, y + 29, tile.text, kind="soft", room=width - 8)
