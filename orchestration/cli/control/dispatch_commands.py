"""`meterloom dispatch`: the mode, the commands and their proof."""

from typing import Annotated, Any

import typer

from controls.ledger.chain import verify_chain
from controls.ledger.device_faults import acknowledge_fault, open_faults
from controls.ledger.modes import current_mode, mode_history, set_mode
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from orchestration.cli.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.cli.frame import ACTS, PROJECT, READS_AND_ACTS, Call, command
from orchestration.cli.signing import Actor, actor
from orchestration.views.ledger_view import commands_of_store
from reports.texts.numbers import unit_text

SiteOption = Annotated[str, typer.Option("--site", help="Site of the devices.")]
# A day's plan has 96 a device: people ask for the last, --json has them all.
SHOWN_COMMANDS = 20
STATUS = "device | capability | value: {value:g} {in_units} | from: {valid_from:%Y-%m-%d %H:%M}Z | state"
LEDGER = Table(
    "commands",
    "id: {id:.12} | device | capability | value: {value:g} {in_units} | from: {valid_from:%Y-%m-%d %H:%M}Z | state",
    in_units=lambda each: unit_text(each["unit"]),
)
HISTORY = Table(
    "history",
    "when: {recorded_at_utc:%Y-%m-%d %H:%M:%S}Z | what: {device_id:|site} | mode | who: {person_id} | why: {reason}",
)


@command("dispatch status", example="--site home")
def status(call: Call, site: SiteOption) -> Answer:
    """Show the mode of a site and the commands that were acted on."""
    found = _commands(call, site)
    # A whole day lies in the ledger beforehand: proposed ones are plan, not action.
    commands = [each for each in found["commands"] if each["state"] != "PROPOSED"]
    table = Table(commands[-SHOWN_COMMANDS:], STATUS, in_units=lambda each: unit_text(each["unit"]))
    return Answer({**found, "commands": commands}, table, f"mode {found['mode']}")


@command("dispatch mode", takes=READS_AND_ACTS, example='PARTIAL --site home --as carla --reason "commissioning"')
def mode(
    call: Call,
    wanted: Annotated[str | None, typer.Argument(metavar="[MODE]", help="SIMULATION, ADVISORY, PARTIAL.")] = None,
    site: SiteOption = "",
    device: Annotated[str, typer.Option("--device", help="Only this device.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; needed to raise.")] = "",
) -> Answer:
    """Show the mode of a site, or record a change by a named person with a reason."""
    known = call.project.site(site)
    store = call.project.store
    if wanted is not None:
        # Checked before anybody is asked for a key: a slip of the pen needs no signature.
        if wanted.upper() not in Mode.__members__:
            raise BadInput(f"unknown mode {wanted!r}; expected {', '.join(Mode.__members__)}", reason="unknown_mode")
        who = _actor(call)
        with store.together():
            set_mode(
                store,
                known.site_id,
                mode=Mode[wanted.upper()],
                person=who.person,
                reason=reason,
                clock=call.clock,
                device_id=device,
            )
            who.sign("dispatch mode", known.site_id, mode=wanted.upper(), device=device, reason=reason)
    history = mode_history(store, known.site_id, as_of_utc=call.as_of_utc)
    now = current_mode(store, known.site_id, device, as_of_utc=call.as_of_utc).name
    return Answer({"mode": now, "commands": [], "history": history}, HISTORY, f"mode {now}")


@command("dispatch ledger", example="--site home --json")
def ledger(call: Call, site: SiteOption) -> Answer:
    """Show every command of a site with its state and evidence."""
    return Answer(_commands(call, site), LEDGER)


@command("dispatch verify", takes=PROJECT, example="--site home")
def verify(call: Call, site: SiteOption) -> Answer:
    """Recompute the hash chain of the ledger; a changed or missing row is named."""
    known = call.project.site(site)
    problems = [str(problem) for problem in verify_chain(call.project.store, known.site_id)]
    data = {"mode": current_mode(call.project.store, known.site_id).name, "commands": [], "problems": problems}
    return Answer(
        {**data, "verified": not problems},
        text="\n".join(problems) or "the ledger's chain is whole",
        exit_code=CHECK_FAILED if problems else DONE,
    )


@command("dispatch acknowledge", takes=ACTS, example='--site home --device battery --as carla --reason "cable mended"')
def acknowledge(
    call: Call,
    site: SiteOption,
    reason: Annotated[str, typer.Option("--reason", help="What was found and mended.")],
    device: Annotated[str, typer.Option("--device", help="Whose latch; the site's own if left out.")] = "",
) -> Answer:
    """Take a fault latch back as a named engineer: commands may reach the device again."""
    known, store = call.project.site(site), call.project.store
    who = actor(call, Role.ENGINEER)
    with store.together():
        acknowledge_fault(store, known.site_id, device, person=who.person, reason=reason, clock=call.clock)
        who.sign("dispatch acknowledge", known.site_id, device=device, reason=reason)
    left = open_faults(store, known.site_id)
    named = ", ".join(each.device_id or known.site_id for each in left)
    return Answer(
        {"mode": current_mode(store, known.site_id, device).name, "commands": [], "faults": left},
        text=f"the latch of {device or known.site_id} is taken back; "
        + (f"still latched: {named}" if left else "no fault is latched"),
    )


@command("dispatch stop", takes=ACTS, example='--site home --as carla --reason "smell of smoke"')
def stop(
    call: Call, site: SiteOption, reason: Annotated[str, typer.Option("--reason", help="Why.")] = "stopped by hand"
) -> Answer:
    """Go back to SIMULATION at once: the agent returns every device to its safe default."""
    known = call.project.site(site)
    # To stop needs no key: nothing may stand between a person and the safe default.
    person = _person(call)
    set_mode(call.project.store, known.site_id, mode=Mode.SIMULATION, person=person, reason=reason, clock=call.clock)
    return Answer({"mode": Mode.SIMULATION.name, "commands": []}, text="mode SIMULATION")


def _commands(call: Call, site: str) -> dict[str, Any]:
    """Mode and commands of a site with the keys of the contract, as known at --as-of."""
    known, store = call.project.site(site), call.project.store
    mode = current_mode(store, known.site_id, as_of_utc=call.as_of_utc).name
    return {"mode": mode, "commands": commands_of_store(store, known.site_id, as_of_utc=call.as_of_utc)}


def _actor(call: Call) -> Actor:
    """Whoever acts: an engineer or an operator, with their key; set_mode decides what they may do."""
    person = _person(call)
    return actor(call, Role.ENGINEER if Role.ENGINEER in person.roles else Role.OPERATOR)


def _person(call: Call) -> Person:
    """Whoever acts: an engineer or an operator."""
    try:
        return call.acting(Role.ENGINEER)
    except BadInput as fault:
        # An unknown person stays unknown: only the missing role is tried again with the other one.
        if fault.reason != "missing_role":
            raise
        return call.acting(Role.OPERATOR)
