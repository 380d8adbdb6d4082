"""Shares as rings, one a share: two shares of different wholes are never one ring."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reports.svg.markup import element, label, picture

_SIZE, _RADIUS = 120.0, 38.0


class Ring(NamedTuple):
    """One share from 0 to 1, or none. text: as people read it; a ring without a share is empty and says so."""

    name: str
    share: float | None
    text: str


def rings_svg(title: str, rings: Sequence[Ring], energy: str = "measured") -> str:
    """The rings side by side. energy: whose colour their parts have, where it is one's."""
    said = "; ".join(f"{ring.name}: {ring.text}" for ring in rings)
    inside = [part for at, ring in enumerate(rings) for part in _drawn(ring, (at + 0.5) * _SIZE, energy)]
    return picture(_SIZE * max(len(rings), 1), 128.0, title=title, description=said, kind="rings", inside=inside)


def _drawn(ring: Ring, x: float, energy: str) -> Iterator[str]:
    around = 2 * math.pi * _RADIUS
    yield _circle(x, kind="ring")
    if ring.share is not None:
        # More than all of it is drawn as all of it; the text tells.
        part = around * min(max(ring.share, 0.0), 1.0)
        yield _circle(x, kind=f"ring-part e-{energy}", dashes=f"{part:.3f} {around - part:.3f}")
    yield label(x, 55.0, ring.text, anchor="middle", kind="strong")
    if ring.name:
        yield label(x, 116.0, ring.name, anchor="middle", kind="soft", room=_SIZE - 4)


def _circle(x: float, *, kind: str, dashes: str = "") -> str:
    return element(
        "circle",
        cx=x,
        cy=50.0,
        r=_RADIUS,
        fill="none",
        stroke_width=12.0,
        class_=kind,
        stroke_dasharray=dashes,
        # From the top.
        transform=f"rotate(-90 {x:.2f} 50)",
    )
