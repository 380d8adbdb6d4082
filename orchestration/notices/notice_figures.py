"""Figures behind the numbers of a notice, for machines that take it."""

from contextlib import suppress

from assets.stores.ledgers.work_orders import WorkOrders
from assets.stores.ledgers.workflow_instances import WorkflowInstances
from assets.stores.published.event_figures import figures_quoting
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.notice import Notice


def figures_of_notice(store: Store, notice: Notice) -> list[str]:
    """Figures of stored reports that quote its anomaly or that its task names, by the id that `trace` opens; of a
    workflow, as a digest's, by the question that `/why` answers.
    """
    # A figure that is not found keeps no notice from being sent.
    with suppress(BadInput):
        if notice.kind == "finding":
            return figures_quoting(store, notice.site_id).get(notice.finding_id, [])
        if notice.kind == "order":
            return list(WorkOrders(store).named(notice.finding_id).figure_ids)
        instance = WorkflowInstances(store).named(notice.finding_id)
        named = WorkOrders(store).named(instance.order_id).figure_ids if instance.order_id else ()
        return [*(figure for step in instance.steps for figure in step.figures), *named]
    return []
