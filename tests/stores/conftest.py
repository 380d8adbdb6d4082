"""Every store of these tests is made by the real steps, never by copy."""

import pytest

from assets.stores import revisions, transactions


@pytest.fixture(autouse=True)
def real_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests/conftest.py replaces is put back here."""
    monkeypatch.setattr(transactions, "migrate", revisions.migrate)
