"""Pictures as SVG: well-formed whatever words stand in them, no style and no script, and what goes in comes out."""

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.chart_geometry import flow_ends
from reports.svg.lineage import MOST, Node, lineage_svg, narrow_svg
from reports.svg.markup import Ring, rings_svg, spark_svg

NAMES = st.text(max_size=40) | st.sampled_from(
    ["<script>alert(1)</script>", "]]>&\"'", "שלום", "\x00\u202e", "a" * 300]
)
# Amounts of meters: what is smaller than a millionth of the largest has no width in any picture.
AMOUNTS = st.floats(1e-3, 1e9)


def parsed(svg: str, links: frozenset[str] = frozenset()) -> ET.Element:
    """The picture, if it may stand in a page of ours. links: where it may lead."""
    assert "style=" not in re.sub(r">[^<]*<", "><", svg)
    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {
        "svg", "title", "desc", "text", "rect", "line", "path", "circle", *(("a", "g") if links else ()),
    }  # fmt: skip
    named = [(name, value) for each in root.iter() for name, value in each.attrib.items()]
    assert not [name for name, value in named if name.startswith("on") or ("href" in name and value not in links)]
    assert [each.tag.rpartition("}")[2] for each in root][:2] == ["title", "desc"]
    return root


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 5).flatmap(lambda n: st.lists(st.tuples(*[AMOUNTS | st.none()] * n), min_size=1, max_size=5))
)
def test_what_flows_in_flows_out_to_the_last_digit(rows) -> None:
    ends = flow_ends(rows)
    for at in range(len(rows[0])):
        assert ends.sources.get(at, 0.0) == math.fsum(row[at] or 0.0 for row in rows)
    for at, row in enumerate(rows):
        assert ends.targets.get(at, 0.0) == math.fsum(value or 0.0 for value in row)
    assert math.fsum(ends.sources.values()) == pytest.approx(math.fsum(ends.targets.values()), rel=1e-15)


@given(name=NAMES, share=st.floats(-1, 3) | st.none())
def test_rings_and_sparks_hold_any_word(name, share) -> None:
    root = parsed(rings_svg(name, [Ring(name, share, "x"), Ring("b", 0.5, "50 %")]))
    assert len([each for each in root.iter() if each.attrib.get("class", "").startswith("ring-part")]) == (
        1 if share is None else 2
    )
    parsed(spark_svg(name, [1.0, None, 3.0], text=name))


def test_the_area_of_a_spark_ends_on_zero_and_leaves_out_a_gap() -> None:
    root = parsed(spark_svg("Solar", [2.0, 4.0, None, 1.0, 4.0], text="2 to 4", energy="solar"))
    areas = [each.attrib["d"] for each in root.iter() if "area-solar" in each.attrib.get("class", "")]
    # Zero lies at 44 of 48, and 4 at 4.
    assert areas == ["M4 24 L62 4 L62 44 L4 44Z", "M178 34 L236 4 L236 44 L178 44Z"]


def lineage(*counts: int, name: str = "x", is_mirrored: bool = False, chosen: int = 0) -> ET.Element:
    """A drawing of a number, its calculation, and so many inputs and files, each input of all files."""
    inputs, files = ([f"{at}/{each}" for each in range(count)] for at, count in enumerate(counts))
    nodes = [
        Node("number", 0, name, "1 kWh", (name,), "", ("how",), is_on=True),
        Node("how", 1, name, "", (), "", tuple(inputs), is_on=True),
        *(Node(key, 2, f"{name} {key}", "", (name,), "d", tuple(files), "/why?figure=1", at == 0)
          for at, key in enumerate(inputs)),
        *(Node(key, 3, f"{name} {key}", "", (), "d", (), "/why?figure=2", at == chosen)
          for at, key in enumerate(files)),
    ]  # fmt: skip
    heads = ("Figure", "Calculation", "Inputs", "Source files")
    svg = lineage_svg(name or "t", "d", heads, nodes, others="and {} others".format, is_mirrored=is_mirrored)
    return parsed(svg, links=frozenset(("/why?figure=1", "/why?figure=2")))


def classed(root: ET.Element, *kinds: str) -> list[ET.Element]:
    return [each for each in root.iter() if each.attrib.get("class") in kinds]


@settings(max_examples=40, deadline=None)
@given(inputs=st.integers(0, 40), files=st.integers(0, 40), name=NAMES)
def test_a_lineage_draws_five_nodes_a_column_at_most_and_counts_the_others(inputs, files, name) -> None:
    root = lineage(inputs, files, name=name)
    boxes = classed(root, "node", "node on")
    others = [int(found[1]) for each in root.iter() if (found := re.fullmatch(r"and (\d+) others", each.text or ""))]
    # The words stand in a box's tip too.
    assert len(boxes) - len(others) // 2 + sum(others) // 2 == 2 + inputs + files
    assert len(boxes) == 2 + min(inputs, MOST) + min(files, MOST)


@pytest.mark.parametrize("chosen", [0, 5, 39])
def test_the_way_to_the_chosen_file_is_on_and_never_among_the_others(chosen: int) -> None:
    root = lineage(3, 40, chosen=chosen)
    assert len(classed(root, "node on")) == 4
    assert len(classed(root, "edge on")) == 3


def test_a_long_name_stands_whole_in_its_box() -> None:
    name = "export of the main meter, north hall_2025-12-01_2025-12-31_quarter_hours_corrected.csv"
    node = Node("file", 3, name, lines=("35,136 readings, lines 1203834 to 1238970",))
    assert "".join(node.head).replace(" ", "") == name.replace(" ", "")
    assert node.high - Node("file", 3, "short.csv", lines=("1",)).high == 3 * 17
    assert "…" not in lineage_svg("t", "d", ["a", "b", "c", "d"], [node], others=str)


def test_on_a_phone_the_columns_of_a_lineage_stand_below_one_another() -> None:
    why = "/why?figure=1"
    nodes = [Node(f"n{at}", at, f"node {at}", lines=("35,136 readings",), href=why, is_on=True) for at in range(4)]
    for is_mirrored in (False, True):
        svg = narrow_svg("t", "d", ["a", "b", "c", "d"], nodes, others=str, is_mirrored=is_mirrored)
        root = parsed(svg, links=frozenset((why,)))
        wide = float(root.attrib["viewBox"].split()[2])
        # 390 px less the margins of page and card.
        assert wide <= 342
        boxes = [each.attrib for each in classed(root, "node on")]
        assert all(float(each["x"]) + float(each["width"]) <= wide for each in boxes)
        tops = [float(each["y"]) for each in boxes]
        assert tops == sorted(tops)
        assert all(top + float(box["height"]) < after for top, box, after in zip(tops, boxes, tops[1:], strict=False))
        assert len(classed(root, "edge on")) == 3


def test_a_lineage_leads_to_reasons_and_stands_the_other_way_round_for_who_reads_so() -> None:
    root, mirrored = lineage(2, 3), lineage(2, 3, is_mirrored=True)
    assert root.attrib["role"] == "group"
    assert len([each for each in root.iter() if each.tag.endswith("}a")]) == 5
    lefts, rights = (
        [float(each.attrib["x"]) for each in classed(drawn, "node", "node on")] for drawn in (root, mirrored)
    )
    assert lefts[0] == min(lefts)
    assert rights[0] == max(rights)
    # From the number to its calculation, from there to both inputs, and from each of these to all three files.
    assert len(classed(root, "edge", "edge on")) == 1 + 2 + 2 * 3
