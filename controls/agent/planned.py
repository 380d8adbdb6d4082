"""The guards that the dispatch run checks at release, from the site file alone."""

from controls.agent.context import devices_of, limits_by_key
from controls.ledger.outbox import PlannedCheck
from controls.safety.check import check_planned
from controls.safety.verdict import Block
from data_quality.contracts.control.command import Command, Mode
from data_quality.contracts.site_file.site import Site


def planned_check(site: Site) -> PlannedCheck:
    """A check for `release`: a sentence where a guard refuses the planned value. Raises BadInput (bad template)."""
    limits = limits_by_key(devices_of(site))

    def check(command: Command, mode: Mode) -> str | None:
        verdict = check_planned(command, limits.get((command.device_id, command.capability)), mode)
        return f"{verdict.guard_id}: {verdict.reason}" if isinstance(verdict, Block) else None

    return check
