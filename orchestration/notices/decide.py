"""Rules of notices: recipients, quiet hours, letters, limits and retries, as pure functions without a clock."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from data_quality.contracts.people import Person
from data_quality.contracts.reporting.notice import Notice, NoticeChoices, NoticeKind, QuietHours, id_of
from data_quality.contracts.reporting.open_finding import OpenFinding
from orchestration.views.open_findings import FindingStatus

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
# About nine hours: a server that is mended in the morning gets what it missed at night.
MOST_ATTEMPTS = 14


def notices_for(
    person: Person,
    choices: NoticeChoices,
    found: Iterable[tuple[FindingStatus, str]],
    *,
    worded: Callable[[OpenFinding, str], str],
    link: str,
    time_zone: str,
    now_utc: datetime,
    kind: NoticeKind = "finding",
) -> list[Notice]:
    """Notices of open findings to one person, one a way; who took care of one or muted it ends its notices.

    found: findings with the name of their case: one that went and came again is told again. kind: what these stand for.
    """
    made, after_quiet_utc = [], quiet_end(choices.quiet, time_zone, now_utc) or now_utc
    for standing, case in found:
        finding = standing.finding
        if standing.state != "open":
            continue
        for way in choices.ways:
            if finding.severity > way.from_severity or (way.sources and finding.source not in way.sources):
                continue
            made.append(
                Notice(
                    notice_id=id_of(person.person_id, way.channel, way.address, finding.finding_id, case),
                    person_id=person.person_id,
                    site_id=finding.site_id,
                    finding_id=finding.finding_id,
                    channel=way.channel,
                    address=way.address,
                    severity=finding.severity,
                    cause=f"{finding.site_id} {finding.source} {finding.kind or finding.cause}",
                    text=worded(finding, choices.locale),
                    link=link,
                    per_hour=choices.per_hour,
                    next_utc=now_utc if finding.severity == 1 else after_quiet_utc,
                    kind=kind,
                )
            )
    return made


def quiet_end(quiet: QuietHours | None, time_zone: str, now_utc: datetime) -> datetime | None:
    """End of the current quiet hours, to the minute; None outside them.

    By the site's clock: an hour that it repeats is quiet both times, and one that it skips is over at once.
    """
    if quiet is None or not _is_quiet(quiet, time_zone, now_utc):
        return None
    # Looked for and not computed: an end may be skipped by the clock, or come twice.
    at_utc = now_utc.replace(second=0, microsecond=0)
    while _is_quiet(quiet, time_zone, at_utc):
        at_utc += timedelta(minutes=1)
    return at_utc


def _is_quiet(quiet: QuietHours, time_zone: str, at_utc: datetime) -> bool:
    at = at_utc.astimezone(ZoneInfo(time_zone)).time()
    if quiet.start < quiet.end:
        return quiet.start <= at < quiet.end
    return at >= quiet.start or at < quiet.end


def letters_of(
    due: Sequence[Notice], sent: Mapping[tuple[str, str], Mapping[str, datetime]], now_utc: datetime
) -> list[list[Notice]]:
    """Due notices in letters: a cause each; what is over a person's limit of an hour is one digest when that ends.

    sent: by person and channel, letters of the last hour with when. Severity 1 is no part of a digest, and goes at
    once. A letter that was tried before is the same again, whatever joined its cause since.
    """
    letters: list[list[Notice]] = [*_by(due, lambda each: each.letter_id, is_tried=True)]
    waiting = _by(due, lambda each: f"{each.person_id} {each.channel} {each.address} {each.cause}", is_tried=False)
    by_person = defaultdict(list)
    for letter in sorted(waiting, key=lambda letter: min(each.severity for each in letter)):
        by_person[letter[0].person_id, letter[0].channel, letter[0].address].append(letter)
    for (person_id, channel, _), mine in by_person.items():
        before = sent.get((person_id, channel), {})
        room = max(mine[0][0].per_hour - len(before), 0)
        urgent = [each for each in mine if any(one.severity == 1 for one in each)]
        others = [each for each in mine if each not in urgent]
        letters += [_named(each, now_utc) for each in (*urgent, *others[:room])]
        if others[room:]:
            at_utc = min(before.values(), default=now_utc) + timedelta(hours=1)
            letters.append(_named([one for each in others[room:] for one in each], at_utc))
    return letters


def after_fault(notice: Notice, reason: str, now_utc: datetime, *, is_final: bool) -> Notice:
    """The notice after a try that failed: later and later, until it is given up."""
    attempts = notice.attempts + 1
    if is_final or attempts >= MOST_ATTEMPTS:
        kept = {"state": "dead", "next_utc": None}
    else:
        pause = min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE)
        kept = {"state": "retrying", "next_utc": now_utc + pause}
    return notice.model_copy(update={**kept, "attempts": attempts, "reason": reason})


def withdrawn(
    waiting: Iterable[Notice],
    due: Iterable[Notice],
    findings: Mapping[str, FindingStatus],
    *,
    receivers: Collection[str],
    is_whole: bool,
) -> list[Notice]:
    """Waiting notices that nobody needs any more: of findings that somebody has or that are gone, and of channels that
    the person has no longer. What was tried may have arrived all the same, and its reason says so.

    findings: of the site by id; receivers: ids of who has a channel; is_whole: every source was asked for them, so that
    one that is missing is gone.
    """
    ids, found = {each.notice_id for each in due}, []
    for each in waiting:
        standing = findings.get(each.finding_id)
        if each.notice_id in ids or not (standing or is_whole):
            continue
        # Where nobody has a channel no source was asked: a finding that was not seen may be open.
        state = standing.state if standing else "closed" if each.person_id in receivers else "open"
        reason = f"the {each.kind} is {state}" if state != "open" else "choices or the case changed"
        reason += "; an earlier try may have arrived" if each.attempts else ""
        found.append(each.model_copy(update={"state": "obsolete", "next_utc": None, "reason": reason}))
    return found


def after_sent(notice: Notice) -> Notice:
    """The notice after it was taken."""
    kept = {"state": "sent", "attempts": notice.attempts + 1, "next_utc": None, "reason": ""}
    return notice.model_copy(update=kept)


def _by(due: Sequence[Notice], key: Callable[[Notice], str], *, is_tried: bool) -> list[list[Notice]]:
    found = defaultdict(list)
    for each in due:
        if bool(each.letter_id) == is_tried:
            found[key(each)].append(each)
    return list(found.values())


def _named(letter: list[Notice], at_utc: datetime) -> list[Notice]:
    name = id_of(*sorted(each.notice_id for each in letter))
    return [each.model_copy(update={"letter_id": name, "next_utc": at_utc}) for each in letter]
