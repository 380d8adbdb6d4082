"""Two thousand requests of somebody who means no good; `python -m tests.web.hostile` asks a hundred thousand."""

from pathlib import Path

import pytest

from tests.web.asking import Answer
from tests.web.hostile import Asker, assault, wrong


def test_nothing_hostile_breaks_leaks_or_writes(tmp_path: Path) -> None:
    found = assault(tmp_path, 2400, seed=7)
    assert found.faults == []
    assert sum(found.statuses.values()) == 2400
    # Else it would have asked nothing that is there.
    assert found.statuses[200] > 50


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (Answer(500, {}, b""), "status 500"),
        (Answer(200, {}, b"Canary works"), "tells 'Canary'"),
        (Answer(200, {}, b"<script>alert(1)</script>"), "script"),
        (Answer(303, {"location": "//evil.example"}, b""), "leads to"),
        (Answer(303, {"location": "https://evil.example"}, b""), "leads to"),
        (Answer(200, {}, b"", ("meterloom=x",)), "sets a cookie"),
    ],
)
def test_what_must_not_be_is_seen(answer: Answer, word: str) -> None:
    assert any(word in each for each in wrong(answer, Asker("x", [], ("Canary",))))
