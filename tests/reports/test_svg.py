"""Pictures as SVG: well-formed whatever words stand in them, no style and no script, and what goes in comes out."""

import math
import re
import xml.etree.ElementTree as ET
from datetime import date, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reports.chart_geometry import flow_ends
from reports.report_content import Chart, Series
from reports.svg.chart import chart_svg, chart_table
from reports.svg.donut import Ring, donut_svg
from reports.svg.lineage import MOST, Node, lineage_svg
from reports.svg.spark import spark_svg
from reports.svg.treemap import MOST as MOST_TILES
from reports.svg.treemap import Tile, squares, treemap_svg

ROLES = ("actual", "expected", "third", "fourth")
NAMES = st.text(max_size=40) | st.sampled_from(
    ["<script>alert(1)</script>", "]]>&\"'", "שלום", "\x00\u202e", "a" * 300]
)
VALUES = st.floats(-1e9, 1e9) | st.none()
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


def chart(shape: str, categories: tuple[str, ...], *rows: tuple[float | None, ...], name: str = "x", **more) -> Chart:
    series = tuple(
        Series(name=f"{name}{at}", role=ROLES[at % 4], values=row, **(more if at == 0 else {}))
        for at, row in enumerate(rows)
    )
    return Chart(key="k", title=name or "t", unit="kWh", shape=shape, categories=categories, series=series)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from(["bars", "lines", "heat"]),
    name=NAMES,
    rows=st.integers(1, 6).flatmap(lambda n: st.lists(st.tuples(*[VALUES] * n), min_size=1, max_size=4)),
)
@example(shape="bars", name="", rows=[(5e-324,)])
@example(shape="bars", name="", rows=[(-3.779467713671593e-301,)])
def test_any_chart_is_a_picture_that_a_page_may_hold(shape, name, rows) -> None:
    categories = tuple(f"{name}{at}" for at in range(len(rows[0])))
    made = chart(shape, categories, *rows, name=name)
    parsed(chart_svg(made))
    assert len(chart_table(made).rows) == len(categories)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 5).flatmap(lambda n: st.lists(st.tuples(*[AMOUNTS | st.none()] * n), min_size=1, max_size=5))
)
def test_what_flows_in_flows_out_to_the_last_digit(rows) -> None:
    made = chart("flows", tuple(f"s{at}" for at in range(len(rows[0]))), *rows)
    ends = flow_ends(made)
    for at, name in enumerate(made.categories):
        assert ends.sources.get(at, 0.0) == math.fsum(row[at] or 0.0 for row in rows), name
    for at, row in enumerate(rows):
        assert ends.targets.get(at, 0.0) == math.fsum(value or 0.0 for value in row)
    assert math.fsum(ends.sources.values()) == pytest.approx(math.fsum(ends.targets.values()), rel=1e-15)
    root = parsed(chart_svg(made))
    # Each ribbon once; two ends as high as it is.
    ribbons = [each.attrib["d"] for each in root.iter() if each.attrib.get("class", "").startswith("band-")]
    assert len(ribbons) == len(ends.flows)


def test_a_gap_is_no_line_and_no_shade() -> None:
    lines = parsed(chart_svg(chart("lines", tuple("abcde"), (1.0, 2.0, None, 3.0, 4.0))))
    assert len([each for each in lines.iter() if each.attrib.get("class") == "line line-actual"]) == 2
    days = tuple(str(date(2025, 3, 29) + timedelta(days=at)) for at in range(2))
    heat = parsed(chart_svg(chart("heat", days, *[(1.0, None)] * 24)))
    drawn = [
        each.attrib["d"]
        for each in heat.iter()
        if each.attrib.get("class", "").startswith("heat-") and "d" in each.attrib
    ]
    assert len(drawn) == 1
    assert drawn[0].count("M") == 1


def test_steps_say_their_sign() -> None:
    root = parsed(chart_svg(chart("waterfall", ("2024", "Jan", "Feb", "2025"), (900.0, 50.0, -100.0, 850.0))))
    assert {"+50", "-100", "900", "850"} <= {each.text for each in root.iter()}


@settings(max_examples=80, deadline=None)
@given(values=st.lists(AMOUNTS, min_size=1, max_size=80))
def test_tiles_fill_the_whole_and_each_has_its_share(values) -> None:
    values = sorted(values, reverse=True)
    boxes = squares(values, 360.0, 200.0)
    whole = math.fsum(values)
    for value, (x, y, width, height) in zip(values, boxes, strict=True):
        assert width * height == pytest.approx(value / whole * 72_000, rel=1e-6, abs=1e-6)
        assert x >= -1e-6
        assert x + width <= 360 + 1e-3
        assert y >= -1e-6
        assert y + height <= 200 + 1e-3


def test_more_than_sixty_parts_end_in_one_of_the_rest_and_none_below_zero_is_drawn() -> None:
    tiles = [Tile(f"m{at}", 100.0 - at, "kWh") for at in range(80)] + [Tile("less", -5.0, "-5 kWh")]
    root = parsed(treemap_svg("t", tiles))
    drawn = [each for each in root.iter() if each.attrib.get("class", "").startswith("tile-")]
    assert len(drawn) == MOST_TILES
    assert "others (21)" in "".join(root.itertext())
    assert "less" not in "".join(root.itertext())


@given(name=NAMES, share=st.floats(-1, 3) | st.none())
def test_rings_and_sparks_hold_any_word(name, share) -> None:
    root = parsed(donut_svg(name, [Ring(name, share, "x"), Ring("b", 0.5, "50 %")]))
    assert len([each for each in root.iter() if each.attrib.get("class") == "ring-part"]) == (1 if share is None else 2)
    parsed(spark_svg(name, [1.0, None, 3.0], text=name, low=[0.0, None, 1.0], high=[2.0, 2.0, 4.0]))


def lineage(*rows: int, name: str = "x", is_mirrored: bool = False) -> ET.Element:
    """A drawing of a number over rows of so many nodes, each made of all of the row below."""
    keys = [["number"], *([f"{at}/{each}" for each in range(count)] for at, count in enumerate(rows)), []]
    nodes = [
        Node(key, f"{name} {key}", name, tuple(keys[at + 1]), f"/why?figure={at}", is_source=at == len(rows))
        for at, row in enumerate(keys)
        for key in row
    ]
    svg = lineage_svg(name or "t", "d", nodes, others=lambda count: f"and {count} others", is_mirrored=is_mirrored)
    return parsed(svg, links=frozenset(f"/why?figure={at}" for at in range(9)))


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.integers(1, 40), max_size=7), name=NAMES)
def test_a_lineage_draws_sixty_nodes_at_most_and_counts_the_others(rows, name) -> None:
    root = lineage(*rows, name=name)
    boxes = [each for each in root.iter() if each.tag.endswith("rect")]
    others = [int(found[1]) for each in root.iter() if (found := re.fullmatch(r"and (\d+) others", each.text or ""))]
    assert len(boxes) <= MOST
    # The words stand in a box's tip too.
    assert len(boxes) - len(others) // 2 + sum(others) // 2 == 1 + sum(rows)


def test_a_lineage_leads_to_reasons_and_stands_the_other_way_round_for_who_reads_so() -> None:
    root, mirrored = lineage(2, 3), lineage(2, 3, is_mirrored=True)
    assert root.attrib["role"] == "group"
    assert len([each for each in root.iter() if each.tag.endswith("}a")]) == 6
    lefts, rights = (
        [float(each.attrib["x"]) for each in drawn.iter() if each.tag.endswith("rect")] for drawn in (root, mirrored)
    )
    assert lefts[0] == min(lefts)
    assert rights[0] == max(rights)
    # From the number to both, and from each of these to all three.
    assert len([each for each in root.iter() if each.attrib.get("class") == "edge"]) == 8
