"""`meterloom tariff change`: a tariff of a site's file ends on a day, and its next version begins there."""

from typing import Annotated

from assets.sites.patch import with_next_tariff
from assets.tariffs.formats.tariff_file import read_tariffs
from assets.tariffs.periods import tariffs_of
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from orchestration.operations.answer import Answer
from orchestration.operations.bills.carriers import HELD, held_tariffs
from orchestration.operations.bills.tariff import FileArgument
from orchestration.operations.operation import ACTS, Argument, Call, operation
from orchestration.operations.options import ReasonOption, SiteOption
from orchestration.operations.signing import actor, change_site_file


@operation(
    "tariff change",
    takes=ACTS,
    example='DAY-2025 day-2026.yaml --site factory --as carla --reason "prices of 1 January"',
)
def tariff_change(
    call: Call,
    tariff: Annotated[str, Argument("Its id in the site's file.", metavar="TARIFF")],
    file: FileArgument,
    site: SiteOption,
    reason: ReasonOption,
) -> Answer:
    """Let a tariff end where its next version (FILE, of its own id and first day) begins; nothing before changes."""
    known, who = call.project.site(site), actor(call, Role.ENGINEER)
    found = read_tariffs(file)
    if len(found) != 1:
        raise BadInput(f"expected one tariff, got {len(found)}", reason="bad_tariff")
    after = found[0]
    _expect_next(known, tariff, after)

    def ended(text: str, name: str) -> str:
        return with_next_tariff(text, tariff, after, file=name)

    def check(changed: Site) -> None:
        for carrier in Carrier:
            # Two in force on one day are refused here, not with the first bill.
            tariffs_of(changed, carrier)

    change_site_file(who, site, ended, "tariff change", tariff, check=check, next=after.tariff_id, reason=reason)
    ends = f"{tariff} ends on {after.valid_from} and {after.tariff_id} begins, by {who.person.name}: {reason}"
    return Answer(held_tariffs(call.project, site), HELD, ends)


def _expect_next(site: Site, tariff_id: str, after: Tariff) -> None:
    """Raises BadInput where it is no next version of a tariff that the site has and that holds on that day."""
    held_there = {each.tariff_id: each for each in site.tariffs}
    before = held_there.get(tariff_id)
    if before is None:
        names = ", ".join(held_there) or "none"
        raise BadInput(f"site {site.site_id} has no tariff {tariff_id[:64]!r}; it has {names}", reason="unknown_tariff")
    if after.tariff_id in held_there:
        message = f"the next version needs an id of its own: the site has a tariff {after.tariff_id!r}"
        raise BadInput(message, reason="exists")
    if not before.valid_from < after.valid_from < before.valid_to:
        raise BadInput(
            f"the next version begins on {after.valid_from}: expected a day after {before.valid_from} and before "
            f"{before.valid_to}, while {tariff_id} holds",
            reason="bad_period",
        )
    if after.commodity != before.commodity:
        raise BadInput(f"{tariff_id} is of {before.commodity}, the next of {after.commodity}", reason="bad_tariff")
