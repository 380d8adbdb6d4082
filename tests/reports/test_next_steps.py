"""Next steps are decided from facts alone: in order, one command each, and nothing once all is done."""

from datetime import date

import pytest

from data_quality.contracts.people import Role
from reports.lifecycle.next_steps import Facts, Member, Printed, Refused, Use, Waiting, next_steps, report_period

YEAR = (date(2024, 1, 1), date(2025, 1, 1))
SPAN = (date(2024, 1, 1), date(2025, 4, 1))
PEOPLE = (
    Member(person_id="me", roles=(Role.ANALYST,), has_key=False),
    Member(person_id="anna", roles=(Role.APPROVER, Role.REVIEWER), has_key=True),
    Member(person_id="dirk", roles=(Role.PUBLISHER,), has_key=True),
)
USE = Use(seu_id="all", name="All of it", streams=("main", "outdoor"), training=YEAR, status="approved", fitted_by="me")
OUT = Printed(status="published", maker="me", reviewer="anna", is_stale=False, is_packed=True)
# A site of which nothing is missing.
DONE = Facts(
    option="",
    site_id="plant",
    site_file="sites/plant.yaml",
    people_file="people.yaml",
    today=date(2025, 6, 1),
    meters=("main",),
    drivers=("outdoor",),
    spans={"main": SPAN, "outdoor": SPAN},
    has_marts=True,
    uses=(USE,),
    people=PEOPLE,
    printed={"2025-Q1": OUT},
)
LATER = ["reports review", "reports publish", "pack"]


def changed(**facts: object) -> Facts:
    """The finished site with something else."""
    return DONE.model_copy(update=facts)


def commands(facts: Facts) -> list[str]:
    return [step.command.removeprefix("meterloom ") for step in next_steps(facts)]


def use(**fields: object) -> tuple[Use, ...]:
    return (USE.model_copy(update=fields),)


def test_nothing_is_missing_where_all_is_done() -> None:
    assert next_steps(DONE) == []


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (changed(spans={}), ["ingest FILE --site plant", "ingest FILE --site plant"]),
        (changed(spans={"main": SPAN}, uses=()), ["ingest FILE --site plant", "${EDITOR:-vi} +1 sites/plant.yaml"]),
        (changed(unseen=("landing/plant/a b.csv",)), ["ingest 'landing/plant/a b.csv' --site plant"]),
        (changed(unpriced={"electricity": SPAN}), ["tariff import TARIFF_FILE --site plant"]),
        (changed(unfactored={"electricity": SPAN}), ["${EDITOR:-vi} +1 sites/plant.yaml"]),
        (changed(waiting=(Waiting(file="people.yaml", line=4, what="who"),)), ["${EDITOR:-vi} +4 people.yaml"]),
        (changed(has_marts=False), ["kpis --site plant --period 2025-Q1"]),
        (
            changed(refused=(Refused(item_id="ab", source_name="a.csv", message="m", rows=0, is_mappable=True),)),
            ["quarantine show ab"],
        ),
        (changed(uses=use(status="provisional")), ["baseline approve plant/all/enb --as anna --reason reviewed"]),
        (
            changed(uses=use(is_stale=True)),
            [
                "baseline fit --site plant --seu all --as me",
                "baseline approve plant/all/enb --as anna --reason reviewed",
            ],
        ),
        (
            changed(uses=use(training=None, status=""), printed={}),
            [
                "baseline fit --site plant --seu all --train 2024-01-01/2025-01-01 --as me",
                "baseline approve plant/all/enb --as anna --reason reviewed",
                "report enpi_quarter --site plant --period 2025-Q1 --as me",
                "reports review enpi_quarter/plant/2025-Q1 --as anna",
                "reports publish enpi_quarter/plant/2025-Q1 --as dirk",
                "pack enpi_quarter/plant/2025-Q1 --as dirk",
            ],
        ),
        (
            changed(printed={"2025-Q1": OUT.model_copy(update={"is_packed": False})}),
            ["pack enpi_quarter/plant/2025-Q1 --as dirk"],
        ),
    ],
)
def test_each_missing_thing_has_its_one_command(facts: Facts, wanted: list[str]) -> None:
    assert commands(facts) == wanted


@pytest.mark.parametrize("change", [{"is_stale": True}, {"blocking": ("The baseline is provisional.",)}])
def test_a_report_that_no_longer_holds_is_made_again_and_begins_its_life_anew(change: dict[str, object]) -> None:
    found = commands(changed(printed={"2025-Q1": OUT.model_copy(update={"status": "reviewed", **change})}))
    assert [each.split(" enpi_quarter")[0] for each in found] == ["report", *LATER]


def test_who_made_a_thing_is_never_asked_to_let_it_pass() -> None:
    both = Member(person_id="me", roles=tuple(Role), has_key=True)
    facts = changed(uses=use(status=""), printed={}, people=(both, *PEOPLE[1:]))
    assert [each.split("--as ")[1].split()[0] for each in commands(facts)] == [
        "me",
        "anna",
        "me",
        "anna",
        "dirk",
        "dirk",
    ]
    alone = changed(printed={}, people=(both,))
    missing = [step.what for step in next_steps(alone) if step.command.startswith("${EDITOR")]
    assert [what.split(" who")[0] for what in missing] == [
        f"a person with the role {role}" for role in ("approver", "reviewer", "publisher")
    ]


def test_keys_come_before_the_first_act_that_is_signed_and_not_after_an_unsigned_publication() -> None:
    nobody = tuple(each.model_copy(update={"has_key": False}) for each in PEOPLE)
    found = commands(changed(people=nobody, uses=use(status="provisional"), printed={}))
    assert found[:3] == ["keys new anna", "keys new dirk", "baseline approve plant/all/enb --as anna --reason reviewed"]
    assert commands(changed(people=nobody)) == []


def test_a_blocking_finding_of_a_baseline_is_named_and_needs_a_reason() -> None:
    (step,) = next_steps(changed(uses=use(status="provisional", blocking=("too_few_days",))))
    assert "too_few_days blocks it" in step.why
    assert step.command.endswith("--waive too_few_days=WHY")


def test_a_baseline_of_days_without_readings_is_told_before_it_is_tried() -> None:
    late = changed(
        spans={"main": (date(2025, 1, 1), date(2025, 4, 1)), "outdoor": SPAN}, uses=use(status=""), printed={}
    )
    (step,) = next_steps(late)
    assert "2024-01-01 to 2025-01-01, or another period" in step.what
    (step,) = next_steps(late.model_copy(update={"uses": use(status="", training=None)}))
    assert "90 days so far" in step.what


def test_without_a_whole_quarter_after_the_baseline_readings_are_asked_for() -> None:
    short = (date(2024, 1, 1), date(2025, 3, 31))
    facts = changed(spans={"main": short, "outdoor": short}, printed={})
    assert report_period(facts) is None
    assert [step.what for step in next_steps(facts)] == ["readings of a whole quarter after 2025-01-01"]


def test_simulated_readings_go_out_only_by_the_option_that_says_so() -> None:
    reviewed = OUT.model_copy(update={"status": "reviewed", "is_synthetic": True, "is_packed": True})
    assert commands(changed(printed={"2025-Q1": reviewed})) == [
        "reports publish enpi_quarter/plant/2025-Q1 --as dirk --allow-synthetic"
    ]


def test_a_command_names_the_project_where_it_is_not_the_current_one() -> None:
    (command,) = commands(changed(option=" --project 'my plant'", has_marts=False))
    assert command == "kpis --site plant --period 2025-Q1 --project 'my plant'"
