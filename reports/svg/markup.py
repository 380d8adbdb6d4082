"""SVG as text: one element, one picture. Every word is escaped here; what XML cannot hold is left out."""

import textwrap
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr


def printable(text: str) -> str:
    """The text without letters that XML forbids and marks that would turn what stands beside it; a space that does
    not break stays, which Python calls unprintable.
    """
    return "".join(each for each in text if each.isprintable() or each == "\u00a0")


def element(name: str, *inside: str, text: str = "", **attributes: str | float) -> str:
    """One element with markup inside, or with text. Attributes: `class_` is class, `_` in others reads as `-`."""
    told = "".join(
        f" {_name(key)}={quoteattr(_number(value) if isinstance(value, float | int) else printable(value))}"
        for key, value in attributes.items()
        if value != ""
    )
    content = "".join(inside) + escape(printable(text))
    return f"<{name}{told}>{content}</{name}>" if content else f"<{name}{told}/>"


def picture(
    width: float, height: float, *, title: str, description: str, kind: str, inside: Iterable[str], role: str = "img"
) -> str:
    """A picture that scales with its box; who cannot see it hears the title and the description. role: group, where
    what is inside is told too.
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
        class_=f"svg svg-{kind}",
    )


def label(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "", room: float = 0.0) -> str:
    """Words at a place; with `room`, cut to it. kind: classes."""
    told = fitted(text, room) if room else text
    return element("text", text=told, x=x, y=y, text_anchor="" if anchor == "start" else anchor, class_=kind)


def fitted(text: str, room: float, size: float = 12.0) -> str:
    """As much of the text as certainly stands in the room; the browser's font is not known here."""
    most = int(room / (size * 0.58))
    return text if len(text) <= most else f"{text[: max(most - 1, 0)]}…"


def wrapped(text: str, room: float, size: float = 12.0) -> list[str]:
    """The text in lines that certainly stand in the room, cut inside a word only where it is wider itself."""
    return textwrap.wrap(printable(text), max(int(room / (size * 0.58)), 1)) or [""]


def box(x: float, y: float, width: float, height: float, kind: str, tip: str = "") -> str:
    """A rectangle; tip: what it tells who points at it."""
    inside = (element("title", text=tip),) if tip else ()
    return element("rect", *inside, x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), class_=kind)


def path(points: Iterable[tuple[float, float]], kind: str, *, is_closed: bool = False) -> str:
    """A line through the points, or the shape within them."""
    told = " L".join(f"{_number(x)} {_number(y)}" for x, y in points)
    return element("path", d=f"M{told}{'Z' if is_closed else ''}", class_=kind)


def _name(key: str) -> str:
    return key if key == "viewBox" else key.rstrip("_").replace("_", "-")


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
