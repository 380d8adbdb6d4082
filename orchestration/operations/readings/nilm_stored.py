"""`meterloom nilm list|show`: stored disaggregations of a site's circuits."""

from typing import Annotated

from assets.stores.ledgers.disaggregations import Disaggregations
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import PROJECT, Argument, Call, operation
from orchestration.operations.options import OnlySiteOption
from orchestration.operations.readings.nilm import shown

_LIST = (
    "id: {result_id} | site: {site_id} | circuit | train | class: {name} | kWh: {kwh:,.1f} | "
    "confidence: {confidence:.2f} {confidence_label} | stored: {recorded_at_utc}"
)


@operation("nilm list", takes=PROJECT, example="--site factory")
def nilm_list(call: Call, site: OnlySiteOption = None) -> Answer:
    """Stored disaggregations, the newest first."""
    known = Disaggregations(call.project.store).of(None if site is None else call.project.site(site).site_id)[::-1]
    found = [
        {**each.model_dump(exclude={"found", "kept"}), "classes": each.found.classes, "rest_kwh": each.found.rest_kwh}
        for each in known
    ]
    rows = [{**each.model_dump(exclude={"kept"}), **own.model_dump()} for each in known for own in each.found.classes]
    return Answer({"disaggregations": found}, Table(rows, _LIST, empty="no disaggregation is stored"))


@operation("nilm show", takes=PROJECT, example="3f2a9c")
def nilm_show(
    call: Call,
    disaggregation: Annotated[str, Argument("Of a disaggregation, or how it starts.", metavar="ID")],
    site: OnlySiteOption = None,
) -> Answer:
    """Show a stored disaggregation: its classes, its weeks and every interval."""
    where = None if site is None else call.project.site(site).site_id
    return shown(Disaggregations(call.project.store).named(disaggregation, where))
