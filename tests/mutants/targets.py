"""Targets of mutation and their tests: the quick ones of their own room, in the order in which they detect."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """modules: paths or globs from the root; tests: what pytest is given; limit_s: time of one run of them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    limit_s: float


TARGETS = {
    "safety": Target(("controls/safety/**/*.py",), ("tests/controls/safety",), 60),
    "ledger": Target(("controls/ledger/*.py",), ("tests/controls/ledger", "tests/controls/agent/test_trouble.py"), 120),
    "agent": Target(
        ("controls/agent/*.py",),
        (
            *(f"tests/controls/agent/test_{name}.py" for name in ("loop", "trouble", "main", "crash")),
            "tests/control_faults/test_device_faults.py",
        ),
        150,
    ),
    "bitemporal": Target(
        (
            "assets/readings/changes/bitemporal.py",
            "assets/stores/lake/lake.py",
            "assets/stores/warehouse/warehouse_views.py",
        ),
        (
            "tests/readings/test_bitemporal.py",
            "tests/contracts/test_lake.py",
            "tests/dbt/test_as_of.py::test_any_history_reads_the_same_in_sql_and_from_the_lake",
            "tests/dbt/test_as_of.py::test_a_later_load_copies_only_files_that_postgres_does_not_hold",
        ),
        60,
    ),
    "tariffs": Target(("assets/tariffs/**/*.py",), ("tests/tariffs", "tests/bills"), 90),
    "carbon": Target(("assets/carbon/**/*.py",), ("tests/carbon",), 60),
    "trace": Target(
        ("reports/figures/trace.py",), ("tests/reports/test_trace.py", "tests/reports/test_changes.py"), 90
    ),
    "evidence": Target(("reports/evidence/*.py",), ("tests/reports/evidence",), 150),
}
