"""SVG as text: element, picture, bullet, ring, spark line. Every word is escaped; what XML cannot hold is left out."""

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from reports.chart_geometry import runs


def printable(text: str) -> str:
    """The text without letters that XML forbids and marks that would turn what stands beside it; a space that does
    not break stays, which Python calls unprintable.
    """
    return "".join(each for each in text if each.isprintable() or each == "\u00a0")


def element(name: str, *inside: str, text: str = "", **attributes: str | float) -> str:
    """One element with markup inside, or with text. Attributes: `class_` is class, `_` in others reads as `-`."""
    rendered = "".join(
        f" {_name(key)}={quoteattr(_number(value) if isinstance(value, float | int) else printable(value))}"
        for key, value in attributes.items()
        if value != ""
    )
    content = "".join(inside) + escape(printable(text))
    return f"<{name}{rendered}>{content}</{name}>" if content else f"<{name}{rendered}/>"


def picture(
    width: float, height: float, *, title: str, description: str, kind: str, inside: Iterable[str], role: str = "img",
    place: str = "",
) -> str:  # fmt: skip
    """A picture that scales with its box; who cannot see it hears the title and the description. role: group, where
    what is inside is told too. place: of preserveAspectRatio, where it does not stand in the middle.
    """
    return element(
        "svg",
        element("title", text=title),
        element("desc", text=description),
        *inside,
        # Inside a page an SVG needs no namespace, as a file of its own it does.
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        role=role,
        preserveAspectRatio=place,
        class_=f"svg svg-{kind}",
    )


def label(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "", room: float = 0.0) -> str:
    """Words at a place; with `room`, cut to it. kind: classes."""
    shown = fitted(text, room) if room else text
    return element("text", text=shown, x=x, y=y, text_anchor="" if anchor == "start" else anchor, class_=kind)


def fitted(text: str, room: float, size: float = 12.0) -> str:
    """As much of the text as certainly stands in the room; the browser's font is not known here."""
    most = int(room / (size * 0.58))
    return text if len(text) <= most else f"{text[: max(most - 1, 0)]}…"


def wrapped(text: str, room: float, size: float = 12.0) -> list[str]:
    """The text in lines that certainly stand in the room, cut inside a word only where it is wider itself."""
    return textwrap.wrap(printable(text), max(int(room / (size * 0.58)), 1)) or [""]


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A rectangle."""
    return element("rect", x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), class_=kind)


def path(points: Iterable[tuple[float, float]], kind: str, *, is_closed: bool = False) -> str:
    """A line through the points, or the shape within them."""
    line = " L".join(f"{_number(x)} {_number(y)}" for x, y in points)
    return element("path", d=f"M{line}{'Z' if is_closed else ''}", class_=kind)


def _name(key: str) -> str:
    return key if key == "viewBox" else key.rstrip("_").replace("_", "-")


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


_WIDTH, _HIGH = 240.0, 8.0


def bullet_svg(
    title: str,
    share: float,
    *,
    text: str,
    target: float | None = None,
    projected: float | None = None,
    energy: str = "measured",
) -> str:
    """The bar of a share from 0 to 1; target: where its mark stands; projected: how far it will be, which is paler.
    text: the same in words. energy: whose colour.
    """
    bars = [element("rect", y=3.0, width=_WIDTH, height=_HIGH, rx=4.0, class_="ground")]
    if projected is not None:
        ahead = _WIDTH * min(max(projected, 0.0), 1.0)
        bars.append(element("rect", y=3.0, width=ahead, height=_HIGH, rx=4.0, class_=f"part ahead e-{energy}"))
    part = _WIDTH * min(max(share, 0.0), 1.0)
    bars.append(element("rect", y=3.0, width=part, height=_HIGH, rx=4.0, class_=f"part e-{energy}"))
    if target is not None:
        bars.append(element("rect", x=_WIDTH * min(max(target, 0.0), 1.0) - 1, width=2.0, height=14.0, class_="aim"))
    return picture(_WIDTH, 14.0, title=title, description=text, kind="bullet", inside=bars, place="xMinYMid")


_SIZE, _RADIUS = 120.0, 38.0


class Ring(NamedTuple):
    """One share from 0 to 1, or none. text: as people read it; a ring without a share is empty and says so."""

    name: str
    share: float | None
    text: str


def rings_svg(title: str, rings: Sequence[Ring], energy: str = "measured") -> str:
    """The rings side by side. energy: whose colour their parts have, where it is one's."""
    description = "; ".join(f"{ring.name}: {ring.text}" for ring in rings)
    inside = [part for at, ring in enumerate(rings) for part in _drawn(ring, (at + 0.5) * _SIZE, energy)]
    height = 112.0 + 16 * max(len(wrapped(ring.name, _SIZE - 4)) for ring in rings)
    return picture(_SIZE * len(rings), height, title=title, description=description, kind="rings", inside=inside)


def _drawn(ring: Ring, x: float, energy: str) -> Iterator[str]:
    around = 2 * math.pi * _RADIUS
    yield _circle(x, kind="ring")
    if ring.share is not None:
        # More than all of it is drawn as all of it; the text tells.
        part = around * min(max(ring.share, 0.0), 1.0)
        yield _circle(x, kind=f"ring-part e-{energy}", dashes=f"{part:.3f} {around - part:.3f}")
    yield label(x, 55.0, ring.text, anchor="middle", kind="strong")
    for at, line in enumerate(wrapped(ring.name, _SIZE - 4)):
        yield label(x, 114.0 + 16 * at, line, anchor="middle", kind="soft")


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


_WIDTH, _HEIGHT, _EDGE = 240.0, 48.0, 4.0


def spark_svg(title: str, values: Sequence[float | None], *, text: str, energy: str = "actual") -> str:
    """A spark line, and the area between it and zero. text: the same in words. A gap stays a gap.

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
