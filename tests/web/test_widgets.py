"""Each tile in each of its states, held against what stands in the golden file; no state is an empty box."""

import json

import pytest

from reports.pages.page import Widget
from reports.texts.numbers import MISSING
from tests.web.widgets_golden import GOLDEN, all_, document


def test_every_tile_says_in_every_state_what_the_golden_file_has() -> None:
    assert document() == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize(("name", "widget"), [*all_()], ids=str)
def test_what_is_missing_is_never_zero_and_never_without_a_reason(name: str, widget: Widget) -> None:
    if widget.state in ("none", "not_set_up"):
        assert widget.reason, name
        assert widget.value is None or widget.value.text == MISSING
    else:
        assert (
            widget.value is not None
            or widget.numbers
            or widget.picture
            or widget.chart
            or widget.items
            or widget.reason
        )
        assert widget.value is None or widget.value.text != MISSING or widget.value.note
    for number in (*widget.numbers, *([widget.value] if widget.value else [])):
        assert number.text != MISSING or number.note, number
