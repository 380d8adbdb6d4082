"""`meterloom meters add|change`: a meter more in a site's file, or what a meter there lacks; every comment is kept."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import ValidationError

from assets.sites.patch import with_meter, with_meter_name, with_parent
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import sentence_of
from data_quality.contracts.people import Role
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Site
from orchestration.operations.answer import Answer
from orchestration.operations.operation import ACTS, Argument, Call, Option, operation
from orchestration.operations.options import ReasonOption, SiteOption
from orchestration.operations.readings.meters import METERS, meters_list
from orchestration.operations.signing import actor, change_site_file

MeterArgument = Annotated[str, Argument("Its id.", metavar="METER")]
NameOption = Annotated[str, Option("What people call it.")]
ParentOption = Annotated[str | None, Option("The meter above it.")]


@operation("meters add", takes=ACTS, example='hall_2 --site factory --parent main --as carla --reason "new hall"')
def meters_add(
    call: Call,
    meter: MeterArgument,
    site: SiteOption,
    reason: ReasonOption,
    carrier: Annotated[Carrier, Option("What it measures.")] = Carrier.ELECTRICITY,
    name: NameOption = "",
    parent: ParentOption = None,
) -> Answer:
    """Write one meter more into a site's file as a named engineer; the file is checked before it is replaced."""
    known = call.project.site(site)
    if any(each.meter_id == meter for each in known.meters):
        raise BadInput(f"site {site!r} has a meter {meter!r} already", reason="exists")
    fields = {"meter_id": meter, "carrier": carrier.value} | {
        key: value for key, value in (("name", name), ("parent", parent)) if value
    }
    _check(fields)
    return _written(call, known, "meters add", meter, reason, lambda text, file: with_meter(text, fields, file=file))


@operation("meters change", takes=ACTS, example='hall_2 --site factory --parent main --as carla --reason "as wired"')
def meters_change(
    call: Call,
    meter: MeterArgument,
    site: SiteOption,
    reason: ReasonOption,
    name: NameOption = "",
    parent: ParentOption = None,
) -> Answer:
    """Say of a meter what its site's file does not say yet, its name or its parent; what stands there stays."""
    known = call.project.site(site)
    if all(each.meter_id != meter for each in known.meters):
        raise BadInput(f"site {site!r} has no meter {meter[:64]!r}", reason="unknown_meter")
    if not name and not parent:
        raise BadInput("say what changes: a name or a parent", reason="bad_request")

    def changed(text: str, file: str) -> str:
        text = with_meter_name(text, meter, name, file=file) if name else text
        return with_parent(text, meter, parent, file=file) if parent else text

    return _written(call, known, "meters change", meter, reason, changed)


def _check(meter: dict[str, Any]) -> None:
    """Raises BadInput for what is no meter, before the file is touched."""
    try:
        Meter.model_validate(meter)
    except ValidationError as error:
        raise BadInput(sentence_of(error.errors()[0]), reason="bad_meter") from error


def _written(call: Call, site: Site, act: str, meter: str, reason: str, change: Callable[[str, str], str]) -> Answer:
    """Replace the file by its changed text, the text before kept; the meters as they are then."""
    who = actor(call, Role.ENGINEER)
    path = change_site_file(who, site.site_id, change, act, meter, reason=reason)
    rows = [each for each in meters_list(call, site.site_id).result["meters"] if each["id"] == meter]  # type: ignore[index]
    return Answer({"site_id": site.site_id, "meters": rows}, METERS, f"{path.name} holds {meter}, by {who.person.name}")
