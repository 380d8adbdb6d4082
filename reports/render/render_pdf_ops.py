"""Operators of PDF as text: shapes that a chart has by the thousand, which cost too much as objects."""

from collections.abc import Iterable, Sequence

Point = tuple[float, float]
Box = tuple[float, float, float, float]


def colour(hex_text: str, *, is_stroke: bool = False) -> str:
    """The operator that sets a colour of six hexadecimal digits."""
    parts = (int(hex_text[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return " ".join(f"{part:.3f}" for part in parts) + (" RG" if is_stroke else " rg")


def line(points: Sequence[Point], hex_text: str, *, width: float, dash: Sequence[float] = ()) -> str:
    """A line through the points. Round joins: mitred ones let a sharp peak stick out far above its value."""
    (x, y), *rest = points
    dashes = f"[{' '.join(f'{each:g}' for each in dash)}] 0 d"
    path = [f"{x:.2f} {y:.2f} m", *(f"{x:.2f} {y:.2f} l" for x, y in rest), "S"]
    return _kept([colour(hex_text, is_stroke=True), f"{width:g} w 1 j", dashes, *path])


def area(points: Sequence[Point], hex_text: str) -> str:
    """A filled shape within the points."""
    (x, y), *rest = points
    return _kept([colour(hex_text), f"{x:.2f} {y:.2f} m", *(f"{x:.2f} {y:.2f} l" for x, y in rest), "h f"])


def ribbon(left: tuple[float, float, float], right: tuple[float, float, float], hex_text: str) -> str:
    """A band from (x, bottom, top) to (x, bottom, top), level at both ends."""
    (x0, low0, top0), (x1, low1, top1) = left, right
    middle = (x0 + x1) / 2
    return _kept(
        [
            colour(hex_text),
            f"{x0:.2f} {top0:.2f} m {middle:.2f} {top0:.2f} {middle:.2f} {top1:.2f} {x1:.2f} {top1:.2f} c",
            f"{x1:.2f} {low1:.2f} l {middle:.2f} {low1:.2f} {middle:.2f} {low0:.2f} {x0:.2f} {low0:.2f} c h f",
        ]
    )


def boxes(each: Iterable[Box], hex_text: str) -> str:
    """Filled boxes (x, y, width, height) of one colour."""
    return _kept([colour(hex_text), *(f"{x:.2f} {y:.2f} {w:.2f} {h:.2f} re" for x, y, w, h in each), "f"])


def outlined(box: Box, face: str, edge: str, hatch: str = "") -> str:
    """A box with an outline, and lines across it: / or \\ leaning, - level."""
    x, y, w, h = box
    frame = f"{x:.2f} {y:.2f} {w:.2f} {h:.2f} re"
    drawn = [colour(face), frame, "f", colour(edge, is_stroke=True), "0.6 w"]
    if hatch:
        # Clipped to the box: its lines may begin and end outside.
        drawn += ["q", frame, "W n 0.5 w", *_across(box, hatch), "S Q"]
    return _kept([*drawn, frame, "S"])


def _across(box: Box, hatch: str, gap: float = 3.2) -> list[str]:
    x, y, w, h = box
    if hatch == "-":
        return [f"{x:.2f} {y + gap * n:.2f} m {x + w:.2f} {y + gap * n:.2f} l" for n in range(1, int(h / gap) + 1)]
    starts = [x - h + gap * n for n in range(int((w + h) / gap) + 1)]
    low, high = (y, y + h) if hatch == "/" else (y + h, y)
    return [f"{at:.2f} {low:.2f} m {at + h:.2f} {high:.2f} l" for at in starts]


def _kept(operators: Iterable[str]) -> str:
    """Operators that leave pen and colours as they were."""
    return "\n".join(["q", *operators, "Q"])
