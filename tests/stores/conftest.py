"""Stores of tests: made by `migrate` where that is what is tested, else copied from what it makes."""

import pytest

from assets.stores import revisions, transactions

# That both are one is tests/stores/test_template.py.
OF_STEPS = {
    "test_combinations.py",
    "test_doctor_migrations.py",
    "test_migrations.py",
    "test_new_store.py",
    "test_old_projects.py",
    "test_template.py",
}


@pytest.fixture(autouse=True)
def real_steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real migrations for files about their steps, instead of the copy of tests/conftest.py."""
    if request.path.name in OF_STEPS:
        monkeypatch.setattr(transactions, "migrate", revisions.migrate)
