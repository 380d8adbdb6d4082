"""`meterloom dispatch holiday` as people use it: set, shown, ended, and what is refused."""

from datetime import date, timedelta

from tests.orchestration.test_dispatch_commands import Run, folder, run, store

__all__ = ["folder", "run", "store"]


def test_it_is_set_shown_and_ended(run: Run) -> None:
    assert run("holiday")[1]["holiday"] is None
    code, answer, _ = run("holiday", "--until", "30d", who="olaf", why="skiing")
    assert (code, answer["holiday"]["person_id"], answer["holiday"]["reason"]) == (0, "olaf", "skiing")
    assert answer == run("holiday")[1]
    assert run("holiday", text=True)[1].startswith("when ")
    assert "mode SIMULATION: plans keep to it, and nothing is sent" in run("holiday", text=True)[1]
    assert run("status")[1]["holiday"] == answer["holiday"]
    assert "by olaf: skiing" in next(line for line in run("status", text=True)[1].splitlines() if "holiday" in line)
    assert run("verify")[1]["verified"]
    code, answer, _ = run("holiday", "--end", who="olaf", why="back early")
    assert (code, answer["holiday"], len(answer["history"])) == (0, None, 2)
    assert run("status")[1]["holiday"] is None


def test_a_date_is_its_first_local_instant(run: Run) -> None:
    day = date.today() + timedelta(days=40)  # noqa: DTZ011 - any day to come
    code, answer, _ = run("holiday", "--until", day.isoformat(), who="olaf", why="skiing")
    assert code == 0
    assert answer["holiday"]["until_utc"].startswith(f"{day}T00:00"), "the site's clock is UTC"
    assert f"holiday until {day} 00:00" in run("holiday", text=True)[1]


def test_what_cannot_be_is_refused_in_a_sentence(run: Run) -> None:
    for words, said in (
        (("--until", "2020-01-01"), "has passed"), (("--until", "400d"), "180 days at most"),
        (("--until", "2026-02-31"), "there is no date '2026-02-31'"), (("--until", "Sunday"), "expected 45m"),
        (("--end",), "no holiday holds at home"), (("--end", "--until", "1d"), "give one of them"),
    ):  # fmt: skip
        code, _, error = run("holiday", *words, who="olaf", why="x")
        assert (code, said in error) == (2, True), error
    assert "reason" in run("holiday", "--until", "3d", who="olaf", why="")[2]
