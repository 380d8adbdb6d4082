"""Notices of a project: chosen by command, requested by a look at what is open, sent once a case."""

import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.stores.ledgers.notices import Outbox
from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from orchestration.notices.choices import choices_of
from orchestration.notices.decide import withdrawn
from orchestration.notices.rounds import drain_of, look
from tests.web.asking import PAGE
from tests.web.marts_world import Asking
from tests.web.test_findings_pages import act, listed
from tests.web.why_world import posted, tenant


def run(asking: Asking, *words: str) -> tuple[int, Any, str]:
    at = ["--project", str(asking.project.project.root), "--json"]
    result = CliRunner().invoke(build_app(("notices",)), ["notices", *words, *at])
    return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr


def test_who_chose_a_channel_is_told_once_of_each_open_finding_and_of_none_that_somebody_has(acted: Asking) -> None:
    found = listed(acted)
    assert look(acted.project, acted.clock) == [], "nobody chose to be told"
    code, said, error = run(acted, "choose", "--folder", "anne", "--severity", "4", "--as", "anne")
    assert (code, error) == (0, "")
    assert [(each["channel"], each["address"]) for each in said["ways"]] == [("folder", "anne")]
    assert act(acted, found[0]["finding_id"], "acknowledge", reason="seen") == 303
    asked = look(acted.project, acted.clock)
    assert {each.finding_id for each in asked} == {str(each["finding_id"]) for each in found[1:]}
    assert look(acted.project, acted.clock) == []
    assert drain_of(acted.project, acted.clock).run() == len(asked)
    code, said, _ = run(acted, "list")
    assert (code, {each["state"] for each in said["notices"]}) == (0, {"sent"})
    kept = list((acted.project.project.data_dir / "notices" / "anne").iterdir())
    told = [one for path in kept for one in json.loads(path.read_text())["notices"]]
    assert sorted(each["id"] for each in told) == sorted(each.notice_id for each in asked)
    # Opened again, it is told again.
    assert act(acted, found[1]["finding_id"], "explain", reason="a holiday") == 303
    assert act(acted, found[1]["finding_id"], "reopen", reason="it was not") == 303
    assert [each.finding_id for each in look(acted.project, acted.clock)] == [found[1]["finding_id"]]


def test_a_notice_held_in_quiet_hours_is_withdrawn_where_somebody_has_the_finding_meanwhile(acted: Asking) -> None:
    found, outbox = listed(acted), Outbox(acted.project.store)
    run(acted, "choose", "--folder", "anne", "--severity", "4", "--quiet", "00:00-23:59", "--as", "anne")
    held = [each for each in look(acted.project, acted.clock) if each.severity > 1]
    assert held
    one = next(each for each in found if each["finding_id"] == held[0].finding_id)
    assert act(acted, one["finding_id"], "acknowledge", reason="seen") == 303
    assert look(acted.project, acted.clock) == []
    [gone] = outbox.notices(states=("obsolete",))
    assert (gone.notice_id, gone.next_utc, gone.reason) == (held[0].notice_id, None, "the finding is acknowledged")
    code, said, _ = run(acted, "list", "--state", "obsolete")
    assert (code, [each["id"] for each in said["notices"]]) == (0, [gone.notice_id])
    assert "the finding is acknowledged" in acted.get("/profile/notices", headers=[PAGE]).text
    # Opened again it is a notice again; who wants none any more is sent none of those that wait.
    assert act(acted, one["finding_id"], "reopen", reason="not so") == 303
    assert [each.finding_id for each in look(acted.project, acted.clock)] == [gone.finding_id]
    run(acted, "choose", "--none", "--as", "anne")
    assert look(acted.project, acted.clock) == []
    assert outbox.waiting() == {}


def test_what_was_withdrawn_is_asked_for_again_where_its_source_reports_it_again(acted: Asking) -> None:
    run(acted, "choose", "--folder", "anne", "--severity", "4", "--quiet", "00:00-23:59", "--as", "anne")
    outbox = Outbox(acted.project.store)
    [first, *_] = [each for each in look(acted.project, acted.clock) if each.severity > 1]
    outbox.record(withdrawn([first], [], {}, receivers=["anne"], is_whole=True), acted.clock)
    assert [each.notice_id for each in look(acted.project, acted.clock)] == [first.notice_id]
    assert look(acted.project, acted.clock) == []


def test_a_finding_that_goes_and_comes_within_a_day_is_one_case(acted: Asking) -> None:
    outbox, clock = Outbox(acted.project.store), FixedClock(acted.clock.now_utc())
    assert outbox.cases("plant", ["a", "b"], clock) == {"a": 1, "b": 1}
    clock.advance(timedelta(hours=1))
    assert outbox.cases("plant", ["a"], clock) == {"a": 1}
    clock.advance(timedelta(hours=20))
    assert outbox.cases("plant", ["a", "b"], clock) == {"a": 1, "b": 1}
    clock.advance(timedelta(hours=1))
    assert outbox.cases("plant", ["a"], clock) == {"a": 1}
    clock.advance(timedelta(hours=25))
    assert outbox.cases("plant", ["a", "b"], clock) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("choose", "--mail", "anne@example.com", "--as", "anne"), "mail needs delivery.smtp_host in meterloom.yaml"),
        (("choose", "--webhook", "http://example.com/", "--as", "anne"), "a webhook's address must be https"),
        (("choose", "--folder", "../out", "--as", "anne"), "is no name of a folder address"),
        (("choose", "--folder", "a", "--quiet", "ten", "--as", "anne"), "--quiet: expected two times such as"),
        (("choose", "--folder", "a", "--none", "--as", "anne"), "--none ends all channels"),
        (("choose", "--folder", "a", "--locale", "xx", "--as", "anne"), "--locale: expected one of"),
        (("test", "--as", "anne"), "chose no channel"),
        (("retry", "abc", "--as", "anne"), "no notice with an id that starts with 'abc'"),
        (("list", "--state", "lost"), "--state: expected one of queued"),
    ],
)
def test_what_cannot_be_is_one_sentence(acted: Asking, words: tuple[str, ...], sentence: str) -> None:
    code, _, error = run(acted, *words)
    assert code == 2
    assert sentence in error


def test_a_test_goes_out_at_once_and_what_is_chosen_can_be_taken_back(acted: Asking) -> None:
    run(acted, "choose", "--folder", "anne", "--quiet", "00:00-23:59", "--as", "anne")
    code, said, _ = run(acted, "test", "--as", "anne")
    assert (code, [each["state"] for each in said["notices"]]) == (0, ["sent"])
    assert run(acted, "choose", "--none", "--as", "anne")[1]["ways"] == []
    assert look(acted.project, acted.clock) == []


def test_choices_are_made_on_a_page_and_kept_whole_where_one_of_them_cannot_be(acted: Asking) -> None:
    page = acted.get("/profile/notices", headers=[PAGE]).text
    assert 'name="webhook"' in page
    assert 'name="mail"' not in page, "no mail server is set"
    form = {"webhook": "https://hooks.example/a, https://hooks.example/b", "severity": "2", "quiet_from": "22:00",
            "quiet_to": "06:00", "per_hour": "5"}  # fmt: skip
    assert posted(acted, "/profile/notices", form=form).status == 303
    chosen = choices_of(acted.project.store, "anne")
    assert [each.address for each in chosen.ways] == ["https://hooks.example/a", "https://hooks.example/b"]
    assert (chosen.per_hour, chosen.quiet and chosen.quiet.start.hour) == (5, 22)
    for bad in ({"webhook": "http://hooks.example/"}, {"quiet_from": "ten"}, {"per_hour": "0"}, {"severity": "9"}):
        assert posted(acted, "/profile/notices", form=form | bad).status in (400, 422)
    assert choices_of(acted.project.store, "anne") == chosen
    assert "hooks.example/a" in acted.get("/profile/notices", headers=[PAGE]).text
    assert "Mitteilungen" in acted.get("/profile/notices", headers=[PAGE], locale="de").text
    assert "no findings" in tenant(acted).get("/profile/notices", headers=[PAGE]).text
