"""`meterloom dispatch set|holiday`: a set-point by hand, over with its time; until when nobody is at home."""

import re
from contextlib import suppress
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, Any

from assets.stores.transactions import site_transaction
from controls.agent.planned import planned_check
from controls.ledger.by_hand import set_manually
from controls.ledger.device_holds import open_holds
from controls.ledger.modes import current_mode, end_holiday, holiday_history, open_holiday, set_holiday
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.sentence import Text
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import earlier_instant, zone
from orchestration.operations.answer import CHECK_FAILED, Answer, Table
from orchestration.operations.control.dispatch import CapabilityOption, SiteOption, actor_of, end_of, person_of
from orchestration.operations.operation import ACTS, READS_AND_ACTS, Call, Option, operation
from orchestration.operations.signing import Actor
from orchestration.views.device_list import power_of
from orchestration.views.ledger_view import commands_of_store
from orchestration.views.site_control import expect_scope, expect_value, manual_limit, site_control, value_range
from reports.texts.locales import unit_text


@operation(
    "dispatch set", takes=ACTS, example='--site home --device ev_charger --for 2h --as carla --reason "leaving early"'
)
def set_device(
    call: Call,
    site: SiteOption,
    device: Annotated[str, Option("Which device.")],
    reason: Annotated[str, Option("Why.")],
    capability: CapabilityOption = "",
    value: Annotated[float | None, Option("To what, in its unit; without it the most that the mode allows.")] = None,
    until: Annotated[str, Option("How long: 45m, 2h, or until a time; 8 h at most.", "--for")] = "2h",
    kwh: Annotated[float | None, Option("Instead: as long as this energy takes at that power.")] = None,
) -> Answer:
    """Set a device by hand, within every limit; it ends by itself, or by 'dispatch override --give-back'."""
    known, store = call.project.site(site), call.project.store
    expect_scope(known, device, capability)
    capability = capability or _power_of(known, device)
    now_utc, place = call.clock.now_utc(), (known.site_id, device, capability)
    mode = current_mode(store, known.site_id, device, capability, now_utc=now_utc)
    value = manual_limit(known, device, capability, mode) if value is None else value
    expect_value(known, device, capability, value)
    unit = value_range(known, device, capability)[2]
    # In a browser the sign-in says who it is: what may be sent was signed with the mode.
    who = Actor(call, person_of(call), None) if call.is_signed_in else actor_of(call)
    end_utc = now_utc + time_for(kwh, value, unit) if kwh is not None else end_of(call, until, "--for")
    if end_utc is None:
        raise BadInput("--for: expected 45m, 2h or a time, got nothing", reason="bad_time")
    if mode >= Mode.PARTIAL:
        _expect_agent(call, known)
    with store.together(), site_transaction(store, known.site_id) as connection:
        row, why = set_manually(
            store, connection, place, value, unit, until_utc=end_utc, person=who.person, reason=reason, at_utc=now_utc,
            check=planned_check(known),
        )  # fmt: skip
        who.sign("dispatch set", known.site_id, device=device, capability=capability, value=value, reason=reason)
    commands = [each for each in commands_of_store(store, known.site_id) if each["id"] == row.command.command_id]
    data: dict[str, Any] = {"mode": mode.name, "commands": commands, "holds": open_holds(store, known.site_id, now_utc)}
    setting = f"{device} at {value:g} {unit_text(unit)} until {end_utc:%Y-%m-%d %H:%M}Z"
    if row.state is CommandState.RELEASED:
        return Answer(data, text=f"{setting}: released to the agent")
    if row.state is CommandState.ADVISED:
        step = f"meterloom dispatch mode PARTIAL --site {known.site_id}{call.option} --as PERSON --reason TEXT"
        return Answer(data, text=f"{setting}: not sent in mode {mode.name}. Commands are sent from PARTIAL on: {step}")
    return Answer(data, text=f"{setting}: refused: {why}", exit_code=CHECK_FAILED)


def _power_of(site: Site, device_id: str) -> str:
    power = power_of(site, device_id)
    if power is None:
        raise BadInput(f"{device_id} has no power to set: name its --capability", reason="unknown_capability")
    return power.capability


def time_for(kwh: float, value: float, unit: str) -> timedelta:
    """Duration of an energy at a power, in whole minutes. Raises BadInput."""
    if unit != "kw" or not kwh > 0 or not value > 0:
        raise BadInput("an energy needs a power above zero to charge with, and to be above zero", reason="out_of_range")
    return timedelta(minutes=ceil(min(kwh / value * 60, 10**6)))


def _expect_agent(call: Call, site: Site) -> None:
    """Raises BadInput where nobody would send it: one that begins later by itself is what nobody set."""
    lease = site_control(call.project.store, site, now_utc=call.clock.now_utc())["lease"]
    if lease is None or lease["is_over"]:
        raise BadInput(
            f"no control agent runs at {site.site_id}: nothing is sent", reason="no_agent",
            mend=f"start it: meterloom up{call.option}",
        )  # fmt: skip


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
    kept = {} if found is None else away_setbacks_of(known)
    history = holiday_history(store, known.site_id, as_of_utc=as_of_utc)
    data = {"mode": mode.name, "commands": [], "holiday": found, "kept": kept, "history": history}
    if found is None:
        return Answer(data, HISTORY, "no holiday")
    local = found.until_utc.astimezone(zone(known.time_zone))
    lines = [f"holiday until {local:%Y-%m-%d %H:%M}", *(f"{name}: {each}" for name, each in kept.items())]
    if mode < Mode.PARTIAL:
        lines.append(f"mode {mode.name}: plans keep to it, and nothing is sent")
    return Answer(data, HISTORY, "\n".join(lines))


def away_setbacks_of(site: Site) -> dict[str, Text]:
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
