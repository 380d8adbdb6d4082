"""A computation has a version that golden values hold: other values need another version, other names do not."""

import pytest

from data_quality.contracts.errors import OurFault
from reports.recompute import computations
from reports.recompute.computations import COMBINATIONS, LEAVES, VERSIONS, code_sha256, version_of
from tests.reports.computation_values import Values, computed, differing, held


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Values]:
    return computed(tmp_path_factory.mktemp("values"))


def test_every_computation_answers_as_its_version_did_when_it_was_recorded(now: dict[str, Values]) -> None:
    assert differing(held(), now) == []


def test_every_computation_has_its_version_and_values_recorded() -> None:
    assert {name: entry["version"] for name, entry in held().items()} == VERSIONS
    assert set(VERSIONS) == {*COMBINATIONS, *LEAVES}
    # Values that are all unknown would hold nothing.
    assert {name for name, entry in held().items() if not any(entry["values"].values())} == {"nothing"}


def test_another_value_under_the_same_version_is_named(now: dict[str, Values], monkeypatch: pytest.MonkeyPatch) -> None:
    case, value = next(iter(held()["footprint_number"]["values"].items()))
    other = now | {"footprint_number": now["footprint_number"] | {case: f"{value}e1"}}
    [sentence] = differing(held(), other)
    assert sentence.startswith(f"footprint_number, version 2: {case} was {value} and is")
    assert any("is gone" in each for each in differing(held(), now | {"sum": {}}))
    monkeypatch.setitem(computations.VERSIONS, "footprint_number", 3)
    assert differing(held(), other) == []


def test_a_trace_names_the_version_and_an_older_one_the_source_that_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first = code_sha256("sum")
    assert version_of("sum", first) == "version 1"
    assert version_of("sum", "ab" * 32) == f"source {'ab' * 8}"
    assert len({code_sha256(name) for name in VERSIONS}) == len(VERSIONS)
    monkeypatch.setitem(computations.VERSIONS, "sum", 2)
    assert code_sha256("sum") != first
    assert (version_of("sum", first), version_of("sum", code_sha256("sum"))) == ("version 1", "version 2")
    for ask in (lambda: code_sha256("none"), lambda: version_of("none", first)):
        with pytest.raises(OurFault, match="no computation is called 'none'"):
            ask()
