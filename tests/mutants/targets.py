"""What is mutated, and which tests of it are asked: the quick ones of its own room, in the order in which they tell."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """modules: paths or globs from the root; tests: what pytest is given; limit_s: time of one run of them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    limit_s: float


TARGETS = {
    "safety": Target(("controls/safety/*.py",), ("tests/controls/safety",), 60),
    "ledger": Target(("controls/ledger/*.py",), ("tests/controls/ledger", "tests/controls/agent/test_trouble.py"), 180),
    "agent": Target(("controls/agent/*.py",), ("tests/controls/agent",), 240),
    "bitemporal": Target(
        ("assets/readings/bitemporal.py", "assets/stores/lake.py", "assets/stores/warehouse_views.py"),
        (
            "tests/readings/test_bitemporal.py",
            "tests/contracts/test_lake.py",
            "tests/dbt/test_as_of.py::test_a_reading_is_known_from_the_very_instant_at_which_it_was_recorded",
        ),
        180,
    ),
    "tariffs": Target(("assets/tariffs/*.py",), ("tests/bills", "tests/tariffs"), 240),
    "carbon": Target(("assets/carbon/*.py",), ("tests/carbon",), 240),
    "trace": Target(("reports/trace.py",), ("tests/reports",), 300),
    "evidence": Target(("reports/evidence/*.py",), ("tests/reports",), 300),
}
