"""The quick reader of YAML gives what the careful one gives, or leaves the file to it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_quality.contracts.quick_yaml import NotEveryday, quick_model, quick_yaml
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import parsed
from reports.content.templates import template_files

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for room in ("assets", "controls", "reports", "tests")
    for path in (ROOT / room).rglob("*.y*ml")
    if path.stat().st_size < 100_000
)
LANGUAGES = sorted((ROOT / "reports" / "texts" / "languages").glob("*.yaml"))
LINES = [
    "a: 1", "b: [1, 2.5, {c: x}]", "c:", "  d: 10:00", "  - e", "f: 2020-01-01", 'g: "x: y"', "h: its", "i: yes",
    "j: 010", "k: 1_000", "l: 1e3", "m: ~", "n: true # said", "- o", "- p: q", "r: 0o7", "s: .5", "t: -0.0",
    "u: {v: , w}", "  x:", r'  "y * \\": "z \" &"', "z: >-", "- za: >-", "   zb: >-", "  folded: it [is", "    more",
    "  # none",
]  # fmt: skip
SIGNS = [*" \n:-,{}[]'\"#019.eE+_~tn<=&*!|>?%@`\\\t", "  ", ": ", "- ", "null", "<<", "\n  ", "...", "---", "é"]


def plain(node: object) -> Any:
    """Without places, as models are given it; numbers with their type."""
    if isinstance(node, dict):
        return {plain(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    kind = next(kind for kind in (bool, int, float, str, object) if isinstance(node, kind))
    return f"{kind.__name__} {node if kind in (str, object) else kind(node)!r}"


def compare(text: str) -> bool:
    """Whether the quick reader took the text; what it took is what the careful one gives."""
    try:
        quick = quick_yaml(text)
    except NotEveryday:
        return False
    assert plain(quick) == plain(parsed(text))
    return True


def test_files_of_ours_are_read_alike() -> None:
    taken = [path for path in FILES if compare(path.read_text("utf-8"))]
    # Most of them, site files above all.
    assert len(taken) > len(FILES) // 2
    assert {"factory.yaml", "tower.yaml", "people.yaml"} <= {path.name for path in taken}


def test_every_language_of_pages_is_taken_by_the_quick_reader() -> None:
    """Each process that shows a page begins with all of them: the careful reader takes fifteen times as long."""
    assert [path.name for path in LANGUAGES if not compare(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("site_id", ["factory", "home", "tower"])
def test_every_demo_site_is_taken_by_the_quick_reader(site_id: str) -> None:
    # The careful one takes 30 ms of every command over a demo.
    assert quick_model(ROOT / "assets" / "sites" / "demo" / f"{site_id}.yaml", Site) is not None


def test_every_report_template_is_taken_by_the_quick_reader() -> None:
    """The help of `report` names them all."""
    templates = template_files().values()
    assert [path.name for path in templates if not compare(path.read_text("utf-8"))] == []


@given(
    st.lists(st.sampled_from(LINES), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(SIGNS)), max_size=4),
)
def test_whatever_people_type_is_read_alike_or_left_to_the_careful_reader(
    lines: list[str], typed: list[tuple[int, str]]
) -> None:
    text = "\n".join(lines)
    for place, sign in typed:
        text = text[: place % (len(text) + 1)] + sign + text[place % (len(text) + 1) :]
    compare(text)


@pytest.mark.parametrize(
    "text",
    ["a: 1\na: 2", "a: &x 1\nb: *x", "a: !int 3", "a: |\n  x", "%YAML 1.1\n---\na: yes", "a: 010", "a: 1e3", "1: 2",
     "a:\t1", "a: [", "- a\nb: c", 'a: "\\n"', "a: 2020-01-01T10:00:00Z", '["":]', "a: 0x1F", "a: .inf", "<<: {a: 1}"],
)  # fmt: skip
def test_what_is_not_everyday_is_left_to_the_careful_reader(text: str) -> None:
    with pytest.raises(NotEveryday):
        quick_yaml(text)
