"""The published schema of a plan is that of the model, and a plan of another schema is refused by name or labelled."""

import json
from typing import Any

import pytest
from jsonschema import ValidationError

from assets.stores.ledgers.plans import PlanStore, read_plan
from assets.stores.schema.tables_control import plans as plan_table
from assets.stores.seals import append_row
from assets.stores.transactions import Store, site_transaction
from controls.planning.frozen_plan import commands_of
from controls.planning.summary import summarise
from data_quality.contracts.control.plan import PLAN_SCHEMA, Plan
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from orchestration.views.site_control import site_control
from tests.controls.planning.examples import HOME, NOW, PLAN_SCHEMA_FILE, plan, published


def stored(**changes: Any) -> dict[str, Any]:
    return plan().model_dump(mode="json") | changes


def test_the_shipped_schema_is_that_of_the_model() -> None:
    assert json.loads(PLAN_SCHEMA_FILE.read_text(encoding="utf-8")) == Plan.model_json_schema()


def test_a_plan_that_is_not_of_the_schema_is_seen_by_it() -> None:
    wrong = plan().model_copy(update={"gap": -1.0})
    with pytest.raises(ValidationError, match=r"-1\.0 is less than the minimum of 0"):
        published(wrong)


def test_a_plan_says_which_schema_it_is_of_and_one_stored_before_there_was_a_number_is_the_same() -> None:
    content = stored()
    assert content.pop("schema_version") == PLAN_SCHEMA
    assert read_plan(content) == plan()


@pytest.mark.parametrize("number", [3, "3", "2.1", None])
def test_a_plan_of_a_later_version_is_refused_by_its_name(number: object) -> None:
    later = stored(schema_version=number, colour="green")
    with pytest.raises(BadInput) as refused:
        read_plan(later)
    assert str(refused.value) == f"plan {plan().plan_id} is of schema {number}: this version reads schemas up to 2"


def test_a_plan_of_a_schema_before_all_that_are_known_is_refused_by_its_name_and_says_what_it_lacks() -> None:
    old = {name: value for name, value in stored().items() if name not in {"schema_version", "request"}}
    with pytest.raises(BadInput, match=rf"^plan {plan().plan_id} is of an older schema .* \(request: "):
        read_plan(old)


def test_a_plan_of_the_first_schema_is_read_and_says_so_wherever_it_is_told() -> None:
    old = plan().model_copy(update={"schema_version": 1})
    summary = summarise(published(old), time_zone="Europe/Prague")
    assert summary.endswith("It was stored in schema 1, of one battery and one PV system.")
    assert "schema" not in summarise(plan(), time_zone="Europe/Prague")


def test_who_asks_how_a_site_stands_is_answered_though_its_newest_plan_is_of_a_later_version(store: Store) -> None:
    PlanStore(store).add_with_commands(plan(), commands_of(plan(), HOME, epoch=1), FixedClock(NOW))
    with site_transaction(store, "home") as connection:
        append_row(
            connection, plan_table, plan_id="later", site_id="home", version=2, plan_hash="h", input_digest="d",
            plan=stored(plan_id="later", schema_version=3), recorded_at_utc=NOW,
        )  # fmt: skip
    reported = site_control(store, HOME, now_utc=NOW)["plan"]
    assert reported["plan_id"] is None
    assert reported["finding"].message == "plan later is of schema 3: this version reads schemas up to 2"
