"""An act and the signature under it stand both, or neither of them does."""

from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from assets.stores.published.publications import PublicationStore
from assets.stores.schema.tables_baselines import baseline_approvals
from assets.stores.transactions import open_store
from data_quality.contracts.people import Person, Role
from orchestration.cli.main import build_app
from tests.reports.conftest import MakeWorld, World
from tests.reports.publish.conftest import MakeDesk, store_of

ANNA = Person(person_id="anna", name="Anna", roles=(Role.APPROVER,))


def waiting(used: World) -> Any:
    """The version that nobody approved yet."""
    (version,) = [each for each in used.baselines.versions("plant") if each.approved_by is None]
    return version


def approve(used: World) -> None:
    version = waiting(used)
    used.baselines.approve(version.baseline_id, version.version, ANNA, "statistics looked at", {}, used.clock)


def approve_without_key(used: World) -> None:
    with used.lake.store.together():
        approve(used)
        assert all(each.approved_by for each in used.baselines.versions("plant")), "read inside, it is there"
        raise OSError("key gone")


def test_a_signature_that_fails_takes_its_act_back(world: MakeWorld) -> None:
    used = world(approved=("compressors", "moulding"))
    with pytest.raises(OSError, match="key gone"):
        approve_without_key(used)
    assert waiting(used).approved_by is None
    with used.lake.store.together():
        approve(used)
    assert all(each.approved_by for each in used.baselines.versions("plant"))


def test_nobody_else_sees_half_of_it(world: MakeWorld) -> None:
    used = world(approved=("compressors", "moulding"))
    other = open_store(used.lake.store.engine.url.render_as_string(hide_password=False))
    count = len(other.rows(_approvals()))
    with used.lake.store.together():
        approve(used)
        assert len(other.rows(_approvals())) == count
    assert len(other.rows(_approvals())) == count + 1
    other.close()


def test_a_command_signs_what_it_does_in_one_step(desk: MakeDesk) -> None:
    used = desk(approved=("compressors", "moulding"))
    app = build_app(("baseline",))
    words = ["baseline", "approve", "plant/hvac/enb", "--reason", "looked at", "--as", "anna"]
    words += ["--project", str(used.folder)]
    (used.folder / "keys" / "anna.key").rename(used.folder / "keys" / "gone")
    assert CliRunner().invoke(app, words).exit_code == 2
    store = store_of(used)
    assert store.rows(_approvals("plant/hvac/enb")) == []
    store.close()
    (used.folder / "keys" / "gone").rename(used.folder / "keys" / "anna.key")
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    store = store_of(used)
    (signed,) = PublicationStore(store).signatures("plant/hvac/enb@1")
    (approved,) = store.rows(_approvals("plant/hvac/enb"))
    assert (signed.person_id, approved["person_id"]) == ("anna", "anna")
    store.close()


def _approvals(baseline_id: str | None = None) -> Any:
    query = sa.select(baseline_approvals)
    return query if baseline_id is None else query.where(baseline_approvals.c.baseline_id == baseline_id)
