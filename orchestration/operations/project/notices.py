"""`meterloom notices`: channels of a person, notices with their state, retries."""

from datetime import time
from typing import Annotated, get_args

from assets.stores.ledgers.notices import Outbox
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.notice import (
    CHANNELS,
    Contact,
    Notice,
    NoticeChoices,
    NoticeState,
    QuietHours,
    id_of,
)
from data_quality.contracts.reporting.open_finding import SEVERITY_WORDS
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Argument, Call, Option, operation
from reports.texts.locales import languages

NOTICES = Table(
    "notices",
    "id: {id} | person | channel | state | attempts | next: {next_utc:|-} | notice: {text} | reason: {reason:|-}",
    empty="no notices",
)
WAYS = Table("ways", "channel | address | from: {severity_word}", empty="no channel is chosen: nothing is sent")
STATES = get_args(NoticeState)


@operation("notices list", takes=PROJECT, example="--state dead")
def notices_list(
    call: Call,
    person: Annotated[str | None, Option("Only of this person.")] = None,
    state: Annotated[str | None, Option(f"Only these: {', '.join(STATES)}.")] = None,
    most: Annotated[int, Option("The newest so many.", min=1, max=10_000)] = 200,
) -> Answer:
    """List notices as they stand, the newest first; exit code 1 where one could not be sent and was given up."""
    if state is not None and state not in STATES:
        raise BadInput(f"--state: expected one of {', '.join(STATES)}, got {state!r}", reason="bad_option")
    found = Outbox(call.project.store).notices(person_id=person, states=(state,) if state else (), most=most)
    return _listed(found)


@operation("notices retry", takes=ACTS, example="3f2a9c --as carla")
def notices_retry(
    call: Call, notice: Annotated[str, Argument("Of a notice, or how its id starts.", metavar="ID")]
) -> Answer:
    """Send a notice that was given up once more."""
    expect(call.known_person(), Permission.ANOMALY_UPDATE)
    queued = Outbox(call.project.store).retry(notice, call.clock)
    return _drained(call, [queued])


@operation("notices test", takes=ACTS, example="--as carla")
def notices_test(call: Call) -> Answer:
    """Send one notice now over each channel that the person chose, whatever the hour, and say what came of it."""
    from orchestration.notices.choices import choices_of

    person, now_utc = call.known_person(), call.clock.now_utc()
    choices = choices_of(call.project.store, person.person_id)
    if not choices.ways:
        raise BadInput(
            f"{person.name} chose no channel", reason="no_channel", mend="meterloom notices choose names one"
        )
    notices = [
        Notice(
            notice_id=id_of("test", person.person_id, way.channel, way.address, now_utc.isoformat()),
            person_id=person.person_id, site_id="", finding_id="", channel=way.channel, address=way.address,
            severity=4, cause=f"test {now_utc.isoformat()}", text="Test of the notices", per_hour=1000,
            next_utc=now_utc,
        )
        for way in choices.ways
    ]  # fmt: skip
    return _drained(call, Outbox(call.project.store).queue(notices, call.clock))


@operation("notices choose", takes=ACTS, example="--mail carla@example.com --quiet 22:00-06:00 --as carla")
def notices_choose(
    call: Call,
    mail: Annotated[list[str] | None, Option("A mail address; may stand again.")] = None,
    push: Annotated[list[str] | None, Option("A topic of the push server.")] = None,
    webhook: Annotated[list[str] | None, Option("A URL that gets a signed POST.")] = None,
    mqtt: Annotated[list[str] | None, Option("A name below the topic meterloom/notices.")] = None,
    folder: Annotated[list[str] | None, Option("A folder of the project's notices.")] = None,
    severity: Annotated[int, Option("From 1 (critical alone) to 4 (information too).", min=1, max=4)] = 3,
    source: Annotated[list[str] | None, Option("Only findings of this source; may stand again.")] = None,
    quiet: Annotated[str | None, Option("22:00-06:00 of the site's clock; critical ones pass.")] = None,
    per_hour: Annotated[int, Option("More go into one digest.", min=1, max=1000)] = 20,
    locale: Annotated[str, Option(f"{', '.join(languages())}.")] = "en",
    none: Annotated[bool, Option("Send nothing any more.")] = False,
) -> Answer:
    """Show or replace your channels, quiet hours and limit for notices of findings."""
    from orchestration.notices.choices import choices_of, choose

    person, store = call.known_person(), call.project.store
    given = dict(zip(CHANNELS, (mail, push, webhook, mqtt, folder), strict=True))
    ways = tuple(
        Contact.model_validate(
            {"channel": channel, "address": each, "from_severity": severity, "sources": tuple(source or ())}
        )
        for channel, addresses in given.items()
        for each in addresses or ()
    )
    if ways and none:
        raise BadInput("--none ends all channels, and channels are named: give one of them", reason="bad_option")
    if locale not in languages():
        raise BadInput(f"--locale: expected one of {', '.join(languages())}, got {locale!r}", reason="bad_option")
    if ways or none:
        chosen = NoticeChoices(ways=ways, quiet=_quiet(quiet), per_hour=per_hour, locale=locale)
        choose(store, person, chosen, call.project.project.settings)
    found = choices_of(store, person.person_id)
    ways_told = [each.model_dump() | {"severity_word": SEVERITY_WORDS[each.from_severity]} for each in found.ways]
    data = {"person_id": person.person_id, "ways": ways_told, **found.model_dump(exclude={"ways"})}
    return Answer(data, WAYS, f"quiet: {quiet}" if quiet else "")


def _quiet(text: str | None) -> QuietHours | None:
    if text is None:
        return None
    try:
        start, end = (time.fromisoformat(each) for each in text.split("-"))
        return QuietHours(start=start, end=end)
    except ValueError as error:
        raise BadInput(f"--quiet: expected two times such as 22:00-06:00, got {text!r}", reason="bad_option") from error


def _drained(call: Call, notices: list[Notice]) -> Answer:
    from orchestration.notices.rounds import drain_of

    drain_of(call.project, call.clock).run()
    mine = {each.notice_id for each in notices}
    return _listed([each for each in Outbox(call.project.store).notices() if each.notice_id in mine])


def _listed(found: list[Notice]) -> Answer:
    shown = {"channel", "address", "severity", "state", "attempts", "next_utc", "text", "reason"}
    rows = [
        {"id": each.notice_id, "person": each.person_id, "site": each.site_id, "finding": each.finding_id}
        | each.model_dump(include=shown)
        for each in found
    ]
    is_lost = any(each.state == "dead" for each in found)
    return Answer({"notices": rows}, NOTICES, exit_code=CHECK_FAILED if is_lost else DONE)
