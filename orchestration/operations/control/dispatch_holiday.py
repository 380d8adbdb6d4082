"""`meterloom dispatch holiday`: until when nobody is at home, and what the plan keeps meanwhile."""

import re
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

from assets.stores.transactions import site_transaction
from controls.ledger.modes import current_mode, end_holiday, holiday_history, open_holiday, set_holiday
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.sentence import Text
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import earlier_instant, zone
from orchestration.operations.answer import Answer, Table
from orchestration.operations.control.dispatch import SiteOption, end_of, person_of
from orchestration.operations.operation import READS_AND_ACTS, Call, Option, operation

HISTORY = Table(
    "history",
    "when: {recorded_at_utc:%Y-%m-%d %H:%M:%S}Z | what: {what} | until: {until_utc:|-} | who: {person_id}"
    " | why: {reason}",
    what=lambda each: "holiday" if each["is_set"] else "ended",
)
# A date, or a date and time, as the site's clock has it.
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d)?")


@operation(
    "dispatch holiday", takes=READS_AND_ACTS, example='--site home --until 2026-02-08 --as carla --reason "skiing"'
)
def holiday(
    call: Call,
    site: SiteOption,
    until: Annotated[str, Option("Back home: a date, a local time, or 45m, 12h, 30d from now.")] = "",
    end: Annotated[bool, Option("End the holiday now.")] = False,
    reason: Annotated[str, Option("Why.")] = "",
) -> Answer:
    """Show, set or end a holiday: until its end plans keep what an empty home needs, and the usual comfort after it."""
    known, store, now_utc = call.project.site(site), call.project.store, call.clock.now_utc()
    if until and end:
        raise BadInput("--until sets a holiday and --end ends it: give one of them", reason="bad_option")
    if until or end:
        # It sends nothing and lets nothing in: no key is needed, as to keep hands off.
        act: dict[str, Any] = {"person": person_of(call), "reason": reason, "at_utc": now_utc}
        with store.together(), site_transaction(store, known.site_id) as connection:
            if end:
                end_holiday(store, connection, known.site_id, **act)
            else:
                until_utc = return_utc(known, until) if _LOCAL.fullmatch(until) else end_of(call, until, "--until")
                set_holiday(connection, known.site_id, until_utc=until_utc or now_utc, **act)
    as_of_utc = call.as_of_utc
    found = open_holiday(store, known.site_id, as_of_utc or now_utc, as_of_utc=as_of_utc)
    mode = current_mode(store, known.site_id, now_utc=now_utc, as_of_utc=as_of_utc)
    kept = {} if found is None else kept_while_away(known)
    history = holiday_history(store, known.site_id, as_of_utc=as_of_utc)
    data = {"mode": mode.name, "commands": [], "holiday": found, "kept": kept, "history": history}
    if found is None:
        return Answer(data, HISTORY, "no holiday")
    local = found.until_utc.astimezone(zone(known.time_zone))
    lines = [f"holiday until {local:%Y-%m-%d %H:%M}", *(f"{name}: {each}" for name, each in kept.items())]
    if mode < Mode.PARTIAL:
        lines.append(f"mode {mode.name}: plans keep to it, and nothing is sent")
    return Answer(data, HISTORY, "\n".join(lines))


def kept_while_away(site: Site) -> dict[str, Text]:
    """Set-backs of a site's devices while nobody is at home, as text by asset id; empty for a site file with faults,
    which its check reports.
    """
    # Only here: kinds of device and their solver load in seconds.
    from controls.optimiser.devices.kinds import while_away

    with suppress(BadInput):
        return while_away(site)
    return {}


def return_utc(site: Site, text: str) -> datetime:
    """Instant of the return home: the first of a local date, or a local time. Raises BadInput."""
    try:
        if not _LOCAL.fullmatch(text):
            raise ValueError
        return earlier_instant(datetime.fromisoformat(text), site.time_zone)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"there is no date {text.strip()!r}", reason="bad_time") from error
