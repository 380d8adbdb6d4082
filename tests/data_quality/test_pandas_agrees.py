"""The rules are written twice: on arrays, and in pandas for the benchmark. Both must flag the same slots."""

import pytest

from tests.bench import validation_bench


def test_both_sides_flag_the_same_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation_bench, "METERS", 10)
    monkeypatch.setattr(validation_bench, "REPEATS", 1)
    found = validation_bench.bench(10 * 96 * 160)
    assert found["rows"] == 10 * 96 * 160
    assert {rule for rule, slots in found["flagged"].items() if slots} >= {
        "dead",
        "stuck",
        "spike",
        "range",
        "negative",
    }
