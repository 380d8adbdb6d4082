"""What a number is made of, as a drawing: itself first, beside it what it is made of, and so on to the sources."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from reports.svg.markup import element, label, picture

MOST, _MOST_HIGH, _LEAST_WIDE = 60, 12, 4
_WIDE, _HIGH, _BESIDE, _BELOW, _EDGE = 236.0, 38.0, 44.0, 8.0, 4.0


class Node(NamedTuple):
    """One number or source. kind, text: its two lines. made_of: keys of nodes that come after it. href: of its reason;
    without one it leads nowhere.
    """

    key: str
    kind: str
    text: str
    made_of: tuple[str, ...] = ()
    href: str = ""
    is_source: bool = False


def lineage_svg(
    title: str, description: str, nodes: Sequence[Node], *, others: Callable[[int], str], is_mirrored: bool = False
) -> str:
    """The drawing; the first node is the number. At most MOST nodes: of a column that has more the last stands for the
    rest, as `others` says of their count. is_mirrored: for who reads from the right.
    """
    columns = _columns(nodes)
    most = min(_MOST_HIGH, MOST // max(len(columns), 1))
    # Nodes that are not drawn, by the one that stands for them.
    stands_for: dict[str, str] = {}
    shown: list[list[Node]] = []
    for at, column in enumerate(columns):
        rest = column[most - 1 :] if len(column) > most else []
        stands_for |= {each.key: f"others {at}" for each in rest}
        shown.append([*column[: len(column) - len(rest)], *([_rest(at, rest, others)] if rest else [])])
    high = max((len(column) for column in shown), default=1) * (_HIGH + _BELOW) + 2 * _EDGE
    # Few columns are not drawn larger than many.
    wide = max(len(shown), _LEAST_WIDE) * (_WIDE + _BESIDE) - _BESIDE + 2 * _EDGE
    places: dict[str, tuple[float, float]] = {}
    for at, column in enumerate(shown):
        x = _EDGE + at * (_WIDE + _BESIDE)
        top = (high - len(column) * (_HIGH + _BELOW) + _BELOW) / 2
        for row, node in enumerate(column):
            places[node.key] = (wide - x - _WIDE if is_mirrored else x, top + row * (_HIGH + _BELOW))
    edges = dict.fromkeys(
        (stands_for.get(each.key, each.key), stands_for.get(other, other)) for each in nodes for other in each.made_of
    )
    inside = [_edge(places[one], places[other], is_mirrored) for one, other in edges if {one, other} <= set(places)]
    inside += [part for column in shown for node in column for part in _drawn(node, places[node.key])]
    # A picture's links are not told to who cannot see it; a group's are.
    return picture(wide, high, title=title, description=description, kind="lineage", inside=inside, role="group")


def _rest(at: int, rest: Sequence[Node], others: Callable[[int], str]) -> Node:
    made_of = tuple(dict.fromkeys(key for each in rest for key in each.made_of))
    return Node(f"others {at}", "", others(len(rest)), made_of, is_source=all(each.is_source for each in rest))


def _columns(nodes: Sequence[Node]) -> list[list[Node]]:
    """Nodes by their longest way from the number; every line leads to a later column."""
    by_key, depth = {each.key: each for each in nodes}, {nodes[0].key: 0} if nodes else {}
    waiting = [nodes[0]] if nodes else []
    while waiting:
        node = waiting.pop(0)
        for key in node.made_of:
            # No way is longer than there are nodes: what went in circles ends.
            if key in by_key and depth.get(key, -1) < depth[node.key] + 1 < len(nodes):
                depth[key] = depth[node.key] + 1
                waiting.append(by_key[key])
    found: list[list[Node]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in nodes:
        if node.key in depth:
            found[depth[node.key]].append(node)
    return found


def _drawn(node: Node, place: tuple[float, float]) -> Iterator[str]:
    x, y = place
    kind = "node-source" if node.is_source else "node"
    inside = [
        element("title", text=" ".join(each for each in (node.kind, node.text) if each)),
        element("rect", x=x, y=y, width=_WIDE, height=_HIGH, rx=4.0, class_=kind),
        label(x + 8, y + 15, node.kind, kind="soft", room=_WIDE - 16),
        label(x + 8, y + (30 if node.kind else 23), node.text, kind="strong", room=_WIDE - 36),
    ]
    yield element("a", *inside, href=node.href) if node.href else element("g", *inside)


def _edge(place: tuple[float, float], other: tuple[float, float], is_mirrored: bool) -> str:
    start = place[0] + (0 if is_mirrored else _WIDE)
    end = other[0] + (_WIDE if is_mirrored else 0)
    y, to_y, middle = place[1] + _HIGH / 2, other[1] + _HIGH / 2, (start + end) / 2
    way = f"M{start:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {end:.1f} {to_y:.1f}"
    return element("path", d=way, class_="edge")
