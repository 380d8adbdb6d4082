"""What a person can decide about a bill that differs, and what people decided."""

from collections.abc import Sequence

from data_quality.contracts.reporting.open_finding import FindingEvent
from data_quality.contracts.sentence import Sentence
from reports.figures.bill_figures import BillState, StandingBill
from reports.pages.bills import PATH
from reports.pages.findings import history_table
from reports.pages.page import Form, Input, Part
from reports.report_content import Paragraph
from reports.texts.numbers import format_number, unit_text

# What is done with a bill of a state, the usual act first.
ACTS: dict[BillState, tuple[str, ...]] = {
    "differs": ("dispute", "accept"), "disputed": ("withdraw", "accept"), "accepted": ("withdraw",),
}  # fmt: skip
_EFFECT = {
    "dispute": "It leaves the list of findings until a check has another result. Nothing is sent to the supplier.",
    "accept": "It leaves the list of findings until a check has another result.",
    "withdraw": "It is on the list of findings again.",
}


def acts_parts(
    bill: StandingBill,
    history: Sequence[tuple[str, FindingEvent, str]],
    *,
    seen: str,
    site_id: str,
    locale: str,
    may_act: bool,
) -> tuple[Part, ...]:
    """Forms of what can be done, and the history. seen: what tells whether somebody acted since the page was made."""
    acts = ACTS.get(bill.state, ())
    parts = []
    if acts and may_act:
        forms = tuple(_form(each, bill, seen, site_id, locale) for each in acts)
        parts.append(Part(key="acts", title="Acts", blocks=forms))
    elif acts:
        why = "Analysts dispute and accept bills."
        parts.append(Part(key="acts", blocks=(Paragraph(text=why, tone="muted"),)))
    if acts:
        table = history_table(history, "Nobody has decided on this bill yet.")
        parts.append(Part(key="history", blocks=(table,)))
    return tuple(parts)


def title_of(act: str, bill: StandingBill, locale: str) -> str:
    """The verb and its object: Dispute 1,089.27 €."""
    if act == "dispute" and bill.audit is not None:
        if not bill.audit.delta_total:
            return "Dispute bill"
        amount = format_number(abs(bill.audit.delta_total), decimals=2, locale=locale)
        return Sentence("Dispute {0}", f"{amount} {unit_text(bill.audit.currency)}")
    if act == "withdraw":
        return "Withdraw dispute" if bill.state == "disputed" else "Withdraw acceptance"
    return "Accept as billed"


def _form(act: str, bill: StandingBill, seen: str, site_id: str, locale: str) -> Form:
    title = title_of(act, bill, locale)
    fields = (
        Input(name="seen", label="", kind="hidden", value=seen),
        Input(name="reason", label="Reason", is_required=True),
    )
    return Form(
        key=act, title=title, action=f"{PATH}/{bill.bill_id}/{act}?site={site_id}", method="post", fields=fields,
        submit=title, note=_EFFECT[act],
    )  # fmt: skip
