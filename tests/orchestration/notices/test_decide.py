"""Recipients and times of notices: quiet hours over both clock changes, one letter a cause, a limit and its digest."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data_quality.contracts.people import Person, Role
from data_quality.contracts.reporting.notice import Contact, Notice, NoticeChoices, QuietHours
from data_quality.contracts.reporting.open_finding import FindingState, OpenFinding, Severity
from orchestration.notices.decide import MOST_ATTEMPTS, after_fault, letters_of, notices_for, quiet_end, withdrawn
from orchestration.views.open_findings import FindingStatus

NIGHT = QuietHours(start=time(22), end=time(6))
OTTO = Person(person_id="otto", name="Otto", roles=(Role.OPERATOR,))
NOW = datetime(2025, 6, 3, 12, tzinfo=UTC)
MAIL = Contact(channel="mail", address="otto@example.com", from_severity=3)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2025-06-03T19:59", None),
        ("2025-06-03T20:00", "2025-06-04T04:00"),
        ("2025-06-04T03:59", "2025-06-04T04:00"),
        ("2025-06-04T04:00", None),
        # Summer time begins at 02:00 on 30 March and ends at 03:00 on 26 October.
        ("2025-03-29T21:00", "2025-03-30T04:00"),
        ("2025-03-30T03:59", "2025-03-30T04:00"),
        ("2025-10-25T20:00", "2025-10-26T05:00"),
        ("2025-10-26T04:59", "2025-10-26T05:00"),
    ],
)
def test_quiet_hours_are_those_of_the_sites_clock(now: str, end: str | None) -> None:
    assert quiet_end(NIGHT, "Europe/Berlin", utc(now)) == (end and utc(end))


@pytest.mark.parametrize(
    ("quiet", "now", "end"),
    [
        # 02:30 is skipped in spring: quiet ends when the clock goes on.
        (QuietHours(start=time(1), end=time(2, 30)), "2025-03-30T00:30", "2025-03-30T01:00"),
        # 02:30 comes twice in autumn, and an hour of quiet is quiet in both passes.
        (QuietHours(start=time(1), end=time(2, 30)), "2025-10-26T00:15", "2025-10-26T00:30"),
        (QuietHours(start=time(1), end=time(2, 30)), "2025-10-26T01:15", "2025-10-26T01:30"),
        (QuietHours(start=time(1), end=time(2, 30)), "2025-10-26T01:31", None),
    ],
)
def test_an_end_that_the_clock_skips_or_repeats(quiet: QuietHours, now: str, end: str | None) -> None:
    assert quiet_end(quiet, "Europe/Berlin", utc(now)) == (end and utc(end))


def test_quiet_hours_without_a_length_are_refused() -> None:
    with pytest.raises(ValidationError, match="begin and end at the same time"):
        QuietHours(start=time(6), end=time(6))


def standing(severity: Severity = 2, state: FindingState = "open", source: str = "validation") -> FindingStatus:
    finding = OpenFinding(site_id="plant", source=source, cause="stuck", severity=severity, what="Main: same reading")
    return FindingStatus(finding, state)


def notices_of(
    found: FindingStatus, *ways: Contact, quiet: QuietHours | None = None, case: str = "1.0", at: datetime = NOW
) -> list[Notice]:
    choices = NoticeChoices(ways=ways or (MAIL,), quiet=quiet)
    return notices_for(
        OTTO, choices, [(found, case)], worded=lambda finding, _: str(finding.what), link="/", now_utc=at,
        time_zone="Europe/Berlin",
    )  # fmt: skip


@pytest.mark.parametrize("address", ["a@b.org\r\nBcc: all@b.org", "a@b.org\n", "a @b.org", ""])
def test_an_address_with_a_line_break_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="address"):
        Contact(channel="mail", address=address)


def test_only_what_is_open_severe_enough_and_of_a_chosen_source_is_told() -> None:
    assert len(notices_of(standing())) == 1
    assert notices_of(standing(severity=4)) == []
    for state in ("acknowledged", "muted", "explained", "accepted"):
        assert notices_of(standing(state=state)) == []
    devices = Contact(channel="push", address="plant", from_severity=4, sources=("devices",))
    assert notices_of(standing(), devices) == []
    assert [each.channel for each in notices_of(standing(source="devices"), devices, MAIL)] == ["push", "mail"]


def test_a_finding_is_told_once_a_case() -> None:
    [first], [again], [next_case] = (
        notices_of(standing()),
        notices_of(standing(), at=NOW + timedelta(days=3)),
        notices_of(standing(), case="2.0"),
    )
    assert first.notice_id == again.notice_id != next_case.notice_id


def test_what_is_critical_passes_the_quiet_hours_and_all_else_waits() -> None:
    night = utc("2025-06-03T23:00")
    [critical], [other] = (
        notices_of(standing(severity=1), quiet=NIGHT, at=night),
        notices_of(standing(), quiet=NIGHT, at=night),
    )
    assert (critical.next_utc, other.next_utc) == (night, utc("2025-06-04T04:00"))


def notice(number: int, *, cause: str = "", severity: int = 3, per_hour: int = 3, letter: str = "") -> Notice:
    return Notice(
        notice_id=f"{number:032d}", person_id="otto", site_id="plant", finding_id="f", channel="mail",
        address="otto@example.com", severity=severity, cause=cause or f"c{number}", text="t", per_hour=per_hour,
        letter_id=letter, next_utc=NOW,
    )  # fmt: skip


def test_notices_of_one_cause_are_one_letter() -> None:
    letters = letters_of([notice(1, cause="stuck"), notice(2, cause="stuck"), notice(3)], {}, NOW)
    assert sorted(len(each) for each in letters) == [1, 2]
    assert len({one.letter_id for each in letters for one in each}) == 2


def test_what_is_over_the_limit_is_one_digest_after_the_hour_and_what_is_critical_goes_at_once() -> None:
    sent = {("otto", "mail"): {"a": NOW - timedelta(minutes=50), "b": NOW - timedelta(minutes=5)}}
    letters = letters_of([notice(n) for n in range(5)] + [notice(9, severity=1)], sent, NOW)
    at = sorted((len(each), each[0].next_utc) for each in letters)
    assert at == [(1, NOW), (1, NOW), (4, NOW + timedelta(minutes=10))]
    assert {each.severity for letter in letters for each in letter if len(letter) == 4} == {3}


def test_a_letter_that_was_named_stays_the_same() -> None:
    first = letters_of([notice(1, cause="x"), notice(2, cause="x")], {}, NOW)
    again = letters_of([*first[0], notice(3, cause="x")], {}, NOW)
    assert sorted(len(each) for each in again) == [1, 2]
    assert first[0] in again


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), max_size=30),
    st.integers(1, 5),
    st.integers(0, 6),
)
def test_nothing_is_lost_or_doubled_whatever_is_due(found: list[tuple[int, int]], per_hour: int, before: int) -> None:
    due = [notice(n, severity=s, cause=f"c{c}", per_hour=per_hour) for n, (s, c) in enumerate(found)]
    sent = {("otto", "mail"): {str(n): NOW - timedelta(minutes=n) for n in range(before)}}
    letters = letters_of(due, sent, NOW)
    assert sorted(each.notice_id for letter in letters for each in letter) == [each.notice_id for each in due]
    plain = [letter for letter in letters if min(each.severity for each in letter) > 1 and letter[0].next_utc == NOW]
    assert len(plain) <= max(per_hour - before, 0)


def test_a_notice_that_waits_is_withdrawn_once_nobody_needs_it_and_a_try_before_it_is_not_denied() -> None:
    [held] = notices_of(standing())
    otto = {held.person_id}
    tried = held.model_copy(update={"state": "retrying", "attempts": 2})
    seen = {state: {held.finding_id: standing(state=state)} for state in ("open", "acknowledged")}
    assert withdrawn([held], [held], seen["open"], receivers=otto, is_whole=True) == []
    assert withdrawn([held], [], {}, receivers=otto, is_whole=False) == [], "a source did not answer"
    found = [
        withdrawn([held], [], {}, receivers=otto, is_whole=True),
        withdrawn([held], [], seen["acknowledged"], receivers=otto, is_whole=False),
        withdrawn([held], [], seen["open"], receivers=otto, is_whole=True),
        withdrawn([tried], [], {}, receivers=otto, is_whole=True),
    ]
    assert [(one.state, one.next_utc) for [one] in found] == [("obsolete", None)] * 4
    assert [one.reason for [one] in found] == [
        "the finding is closed", "the finding is acknowledged", "choices or the case changed",
        "the finding is closed; an earlier try may have arrived",
    ]  # fmt: skip
    # Of a person without any channel no source was asked: that the finding is closed would be a guess.
    [ended] = withdrawn([held], [], {}, receivers=set(), is_whole=True)
    assert (ended.state, ended.reason) == ("obsolete", "choices or the case changed")


def test_tries_come_later_and_later_and_end() -> None:
    each, pauses, now_utc = notice(1), [], NOW
    while each.state != "dead":
        each = after_fault(each, "451 later", now_utc, is_final=False)
        pauses.append(each.next_utc and each.next_utc - now_utc)
    assert pauses[:4] == [timedelta(minutes=n) for n in (1, 2, 4, 8)]
    assert (len(pauses), pauses[-1], each.attempts) == (MOST_ATTEMPTS, None, MOST_ATTEMPTS)
    assert max(pause for pause in pauses if pause is not None) == timedelta(hours=1)
    assert after_fault(notice(1), "550 never", NOW, is_final=True).state == "dead"
