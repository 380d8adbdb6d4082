"""From devices in a site file to commands that they follow, one step at a time. Pure: facts in, steps out.

Every step says what can happen at worst, and how to go back.
"""

import shlex
from collections.abc import Iterator

from data_quality.contracts.control.command import Mode
from data_quality.contracts.model import Model

# Of a rating, in PARTIAL (dispatch.md B.2).
_PARTIAL = "30 %"


class Step(Model):
    """Missing thing, why it is needed, and the command. is_needed: the report cannot go out without it."""

    what: str
    why: str
    command: str
    is_needed: bool = True


class Named(Model):
    """A site as commands name it. option: ` --project DIR` where a command needs it."""

    option: str
    site_id: str

    def command(self, *words: str) -> str:
        """A command of ours as one types it."""
        return f"meterloom {shlex.join(words)}{self.option}"

    def edit(self, file: str, line: int = 1) -> str:
        """An editor at that line: vi, emacs and nano know the sign."""
        return f"${{EDITOR:-vi}} +{line} {shlex.quote(file)}"


class ControlFacts(Model):
    """State of a site's devices. in_the_way: why no plan can be made, and mend its command; empty: an editor.

    planned: devices that a plan moves; connected: those of them with a template; answering: those whose state the
    newest plan measured. modes: the effective one of each device that takes commands; kept_low: those that stay below
    PARTIAL whatever the site's is. engineers: who may raise a mode.
    request: an open one for FULL, by requested_by.
    """

    planned: tuple[str, ...]
    in_the_way: str = ""
    mend: str = ""
    has_plan: bool = False
    connected: tuple[str, ...] = ()
    answering: tuple[str, ...] = ()
    mode: Mode = Mode.SIMULATION
    modes: dict[str, Mode] = {}
    kept_low: tuple[str, ...] = ()
    engineers: tuple[str, ...] = ()
    request: int | None = None
    requested_by: str = ""


def control_steps(named: Named, facts: ControlFacts, *, site_file: str, people_file: str) -> Iterator[Step]:
    """The next step from a plan to devices that follow it; none without a device that a plan moves."""
    if not facts.planned:
        return
    if facts.in_the_way:
        why = "a plan of tomorrow needs it; nothing is sent to any device"
        yield Step(what=facts.in_the_way, why=why, command=facts.mend or named.edit(site_file))
    elif not facts.has_plan:
        why = "from stored readings and assumptions that it names; it sends nothing, so there is nothing to take back"
        words = ("plan", "--site", named.site_id, "--for", "tomorrow")
        yield Step(what=f"a plan for {', '.join(facts.planned)}", why=why, command=named.command(*words))
    else:
        yield from _hardware(named, facts, site_file, people_file)


def _hardware(named: Named, facts: ControlFacts, site_file: str, people_file: str) -> Iterator[Step]:
    apart = [name for name in facts.planned if name not in facts.connected]
    if apart and not facts.connected:
        why = "a template and an address let it be read; at worst it does not answer; back: take the two lines out"
        yield _later(f"the connection of {apart[0]}", why, named.edit(site_file))
        return
    silent = [name for name in facts.connected if name not in facts.answering]
    if silent and not facts.answering:
        why = "it only reads; at worst the device does not answer, and the plan begins with an assumption"
        yield _later(f"{silent[0]} answers", why, named.command("devices", "test", silent[0], "--site", named.site_id))
    elif not facts.engineers:
        why = "commands need a person with the role engineer; nothing is sent by that"
        yield _later("an engineer in the people file", why, named.edit(people_file))
    else:
        yield from _modes(named, facts, people_file)


def _modes(named: Named, facts: ControlFacts, people_file: str) -> Iterator[Step]:
    me, advised = facts.engineers[0], sorted(facts.modes)
    back = f"back: {named.command('dispatch', 'stop', '--site', named.site_id, '--as', me)}"
    if facts.mode is Mode.SIMULATION:
        why = f"commands are shown and not sent; at worst nobody reads them; {back}"
        yield _later("mode ADVISORY", why, _mode(named, me, "ADVISORY", "", "reads only"))
    elif facts.mode is Mode.ADVISORY and advised:
        first = next((name for name in facts.planned if name in advised), advised[0])
        free = [name for name in advised if name != first and name not in facts.kept_low]
        if free:
            why = f"{first} alone is to be commanded at first; nothing is sent by that; {back}"
            yield _later(f"{free[0]} stays in ADVISORY", why, _mode(named, me, "ADVISORY", free[0], "one device first"))
            return
        why = f"within {_PARTIAL} of its rating; at worst it does that until the command ends by itself; {back}"
        yield _later(f"{first} in PARTIAL", why, _mode(named, me, "PARTIAL", "", f"{first} first, watched"))
    elif facts.mode is Mode.PARTIAL:
        yield from _from_partial(named, facts, people_file, back)


def _from_partial(named: Named, facts: ControlFacts, people_file: str, back: str) -> Iterator[Step]:
    me = facts.engineers[0]
    waiting = [name for name, mode in sorted(facts.modes.items()) if mode < Mode.PARTIAL]
    if waiting:
        why = f"it follows within {_PARTIAL} of its rating, as the others do; {back}"
        yield _later(f"{waiting[0]} in PARTIAL", why, _mode(named, me, "PARTIAL", waiting[0], "the others kept to it"))
    elif len(facts.engineers) < 2:
        why = (
            f"FULL takes two engineers; a household of one stays in PARTIAL: {_PARTIAL} of each rating, no relays, "
            "no heat pumps and no starts of machines; a second engineer in the people file would change that"
        )
        yield _later("mode FULL (not with one engineer)", why, named.edit(people_file))
    elif facts.request is not None:
        other = next((name for name in facts.engineers if name != facts.requested_by), "PERSON")
        words = ("dispatch", "approve", str(facts.request), "--site", named.site_id, "--as", other)
        why = f"devices may then use their whole rating for 30 days; at worst up to the guards' limits; {back}"
        yield _later(f"the second signature for FULL, by {other}", why, named.command(*words))
    else:
        why = f"a second engineer approves it within a day; nothing changes until then; {back}"
        yield _later("a request for FULL", why, _mode(named, me, "FULL", "", "four weeks without a fault"))


def _mode(named: Named, person: str, mode: str, device: str, reason: str) -> str:
    of = ("--device", device) if device else ()
    return named.command("dispatch", "mode", mode, "--site", named.site_id, *of, "--as", person, "--reason", reason)


def _later(what: str, why: str, command: str) -> Step:
    """A step that a plan, and every figure, can do without."""
    return Step(what=what, why=why, command=command, is_needed=False)
