"""Lineage of a number, as a drawing in four columns: figure, calculation, inputs, source files."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from reports.svg.markup import element, label, picture, wrapped

# Of each column: how many nodes are drawn, and how wide they are.
MOST, _WIDE = 5, (212.0, 226.0, 236.0, 262.0)
_BESIDE, _BELOW, _HEAD, _EDGE, _PAD, _LINE, _LARGE = 52.0, 12.0, 30.0, 2.0, 12.0, 17.0, 28.0
_LOWEST = 96.0
# On a phone: all columns below one another.
_NARROW = 338.0


class Node(NamedTuple):
    """A box of a column (0 to 3): its title, a large value, lines and a digest. made_of: keys of nodes of later
    columns. href: where it leads. is_on: it is on the way that is shown.
    """

    key: str
    column: int
    title: str
    value: str = ""
    lines: tuple[str, ...] = ()
    code: str = ""
    made_of: tuple[str, ...] = ()
    href: str = ""
    is_on: bool = False

    @property
    def head(self) -> list[str]:
        """Its title in lines."""
        return wrapped(self.title, self._room)

    @property
    def rest(self) -> list[tuple[str, str]]:
        """Lines below, with their kinds."""
        rows = [(row, "soft") for each in self.lines for row in wrapped(each, self._room)]
        return rows + ([(self.code, "code")] if self.code else [])

    @property
    def high(self) -> float:
        """Its height."""
        rows = len(self.head) + len(self.rest)
        return 2 * _PAD + rows * _LINE - 4 + (_LARGE if self.value else 0)

    @property
    def _room(self) -> float:
        return _WIDE[self.column] - 2 * _PAD


class _Place(NamedTuple):
    x: float
    y: float
    wide: float
    high: float


def lineage_svg(
    title: str,
    description: str,
    heads: Sequence[str],
    nodes: Sequence[Node],
    *,
    others: Callable[[int], str],
    is_mirrored: bool = False,
) -> str:
    """The drawing under its four heads. Of a column with more than MOST nodes the last stands for the rest, as `others`
    says of their count. is_mirrored: for who reads from the right.
    """
    columns, stands_for = _columns(nodes, others)
    high = max(_high(column) for column in columns) + _HEAD + 2 * _EDGE
    wide = sum(_WIDE) + 3 * _BESIDE + 2 * _EDGE
    places: dict[str, _Place] = {}
    inside: list[str] = []
    for at, column in enumerate(columns):
        x = _EDGE + sum(_WIDE[:at]) + at * _BESIDE
        x = wide - x - _WIDE[at] if is_mirrored else x
        inside.append(label(x, 12, heads[at], kind="head"))
        # Few boxes stand in the middle of their column, of a long one near its top: they are what is read first.
        y = _HEAD + _EDGE + min((high - _HEAD - 2 * _EDGE - _high(column)) / 2, _LOWEST)
        for node in column:
            places[node.key] = _Place(x, y, _WIDE[at], node.high)
            y += node.high + _BELOW
    on = {each.key for each in nodes if each.is_on}
    edges = dict.fromkeys(
        (stands_for[each.key], stands_for.get(other, other)) for each in nodes for other in each.made_of
    )
    known = [(one, other) for one, other in edges if {one, other} <= places.keys()]
    # What is on the way lies above what is not.
    for one, other in sorted(known, key=on.issuperset):
        inside.append(_edge(places[one], places[other], is_on=on.issuperset((one, other)), is_mirrored=is_mirrored))
    inside += [_drawn(node, places[node.key]) for column in columns for node in column]
    # A picture's links are not told to who cannot see it; a group's are.
    return picture(wide, high, title=title, description=description, kind="lineage", inside=inside, role="group")


def narrow_svg(
    title: str,
    description: str,
    heads: Sequence[str],
    nodes: Sequence[Node],
    *,
    others: Callable[[int], str],
    is_mirrored: bool = False,
) -> str:
    """As lineage_svg for a phone: the columns below one another, and a line from each to the next."""
    columns, _ = _columns(nodes, others)
    wide, y, inside = _NARROW + 2 * _EDGE, 0.0, list[str]()
    for head, column in zip(heads, columns, strict=True):
        if not column:
            continue
        if y:
            inside.append(element("path", d=f"M{wide / 2:.1f} {y - _BELOW:.1f}v{_BELOW + 6:.1f}", class_="edge on"))
        x = wide - _EDGE if is_mirrored else _EDGE
        inside.append(label(x, y + 20, head, kind="head", anchor="end" if is_mirrored else "start"))
        y += _HEAD
        for node in column:
            inside.append(_drawn(node, _Place(_EDGE, y, _NARROW, node.high)))
            y += node.high + _BELOW
    return picture(wide, y, title=title, description=description, kind="lineage narrow", inside=inside, role="group")


def _columns(nodes: Sequence[Node], others: Callable[[int], str]) -> tuple[list[list[Node]], dict[str, str]]:
    """Nodes by column as they are drawn, and of each node the one that stands for it."""
    stands_for, shown = {each.key: each.key for each in nodes}, list[list[Node]]()
    for at in range(len(_WIDE)):
        column = [each for each in nodes if each.column == at]
        if len(column) > MOST:
            # The way that is shown is never among the others.
            column.sort(key=lambda each: not each.is_on)
        rest = column[MOST - 1 :] if len(column) > MOST else []
        if rest:
            stands_for |= {each.key: f"others {at}" for each in rest}
            column = [*column[: MOST - 1], Node(f"others {at}", at, others(len(rest)))]
        shown.append(column)
    return shown, stands_for


def _high(column: Sequence[Node]) -> float:
    return sum(each.high + _BELOW for each in column) - _BELOW if column else 0.0


def _drawn(node: Node, place: _Place) -> str:
    x, y = place.x + _PAD, place.y + _PAD + 9 - _LINE
    description = " ".join(each for each in (node.title, node.value, *node.lines, node.code) if each)
    box = element(
        "rect",
        x=place.x,
        y=place.y,
        width=place.wide,
        height=place.high,
        rx=9.0,
        class_="node on" if node.is_on else "node",
    )
    inside = [element("title", text=description), box]
    head = [(text, "soft" if node.value else "strong") for text in node.head]
    for text, kind in [*head, *([(node.value, "big")] if node.value else []), *node.rest]:
        y += _LARGE if kind == "big" else _LINE
        inside.append(label(x, y, text, kind=kind))
    return element("a", *inside, href=node.href) if node.href else element("g", *inside)


def _edge(one: _Place, other: _Place, *, is_on: bool, is_mirrored: bool) -> str:
    start, end = (one.x, other.x + other.wide) if is_mirrored else (one.x + one.wide, other.x)
    y, to_y, middle = one.y + one.high / 2, other.y + other.high / 2, (start + end) / 2
    way = f"M{start:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {end:.1f} {to_y:.1f}"
    return element("path", d=way, class_="edge on" if is_on else "edge")
