"""Shell: the stored bills of a site against its readings and tariffs; a variance is a notification, never blocking."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.time import Clock
from orchestration.partitions import SITES, site_mapping
from orchestration.previews import table
from orchestration.resources import ProjectResource

CHECK = "bills_are_as_recomputed"


@dg.asset(
    group_name="bills",
    kinds={"sqlite"},
    owners=["team:energy-data"],
    partitions_def=SITES,
    deps=[site_mapping("core_lake__15min_readings"), "core_site__reference"],
    # A variance is a matter between people and supplier: it must not hold up figures that do not use the bill.
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset="core_bill__reconciliation",
            blocking=False,
            description="Every stored bill could be recomputed, and none differs by more than the site's threshold. "
            "A warning: the supplier is asked, and no figure waits for the answer.",
        )
    ],
)
def core_bill__reconciliation(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> Iterator[Any]:
    """Every stored bill of the site recomputed line by line; an observation for each variance above its threshold."""
    # Imported when it runs: the shell is loaded with every definition, also where no bill is looked at.
    from assets.bills.stored import audit_bills, bills_of, facts_of

    site = project.site(context.partition_key)
    books = BillStore(project.project.data_dir / "bills", project.store)
    audits = audit_bills(bills_of(books, site), books, project.lake, site, clock=clock)
    for each in audits:
        # Only audits above the threshold are observed; the event's id keeps a second run from telling the same twice.
        if each.audit is not None and each.event_id is not None:
            metadata = {"notice": each.notice, "bill_id": each.bill_id, "event_id": each.event_id}
            yield dg.AssetObservation(context.asset_key, partition=site.site_id, metadata=metadata)
    facts = facts_of(audits)
    rows = [
        [a.bill.invoice, a.audit.billed_total, a.audit.recomputed_total, a.audit.delta_total,
         a.audit.cause.replace("_", " ") if a.audit.verdict == "differs" else "agrees"]
        for a in audits if a.audit is not None
    ]  # fmt: skip
    head = ["bill", f"billed, {site.currency}", "recomputed", "difference", "verdict"]
    shown: dict[str, Any] = {"bills_held_against_readings": table(head, rows), "synthetic": site.is_simulated}
    yield dg.MaterializeResult(metadata={"dagster/row_count": facts["bills"], **facts, **shown})
    notices = [each.notice for each in audits if each.notice]
    yield dg.AssetCheckResult(
        check_name=CHECK,
        passed=not notices and not facts["not_audited"],
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"notices": notices, "not_audited": facts["not_audited"]},
    )
