"""`meterloom what-ifs list`: stored what-ifs."""

from assets.stores.ledgers.what_ifs import WhatIfs
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import PROJECT, Call, operation
from orchestration.operations.options import OnlySiteOption


@operation("what-ifs list", repeats=True, takes=PROJECT, example="--site home")
def what_ifs(call: Call, site: OnlySiteOption = None) -> Answer:
    """Stored what-ifs, the newest first."""
    found = WhatIfs(call.project.store).of(None if site is None else call.project.site(site).site_id)
    rows = [
        {**each.model_dump(exclude={"variants"}), **one.model_dump()} for each in found[::-1] for one in each.variants
    ]
    shown = (
        "result: {result_id} | site: {site_id} | from {start} | to {end} | {name} | saving a year: {saving:z,.2f} | "
        "{currency} | payback, years: {payback_years:.1f}"
    )
    return Answer({"what_ifs": found[::-1]}, Table(rows, shown, empty="no what-if is stored"))
