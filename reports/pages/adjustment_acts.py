"""Adjustments of a use's baseline on its page: those that stand, and the forms that propose, approve and withdraw."""

from collections.abc import Iterator

from data_quality.contracts.baselines.baseline import AdjustmentKind, AdjustmentRecord, AdjustmentStatus
from data_quality.contracts.sentence import Sentence, Text, sentences
from reports.figures.use_data import UseData
from reports.pages.address import Address
from reports.pages.energy_uses import ENPI
from reports.pages.page import REASON, Form, Input, PageBlock
from reports.pages.signers import Signer, signed
from reports.report_content import Paragraph
from reports.texts.locales import named, short_date, written
from reports.writer import words

PROPOSAL_FIELDS = (
    Input(name="kind", label="Kind", kind="select", value=AdjustmentKind.NON_ROUTINE.value,
          options=tuple((each.value, words(each.value)) for each in reversed(AdjustmentKind))),
    Input(name="start", label="First day", kind="date", is_required=True),
    Input(name="end", label="First day after it", kind="date", is_required=True),
    Input(name="kwh_per_day", label="Added to each expected day, kWh", hint="120, or −80 where less is needed"),
    Input(name="percent", label="Or of the expected energy, %", hint="One of the two"),
    REASON,
    Input(name="method", label="Method", is_required=True, hint="Submeter, engineering estimate …"),
    Input(name="evidence", label="Evidence", is_required=True, hint="Text or link that a second person can check"),
)  # fmt: skip


class AdjustmentActor(Signer):
    """Reader of a use's page. may_propose: writes a proposal; may_approve: gives the second person's yes.

    others: who else approves, in a sentence.
    """

    may_propose: bool = False
    may_approve: bool = False
    others: Text = ""


def adjustment_acts(data: UseData, baseline_id: str, actor: AdjustmentActor, address: Address) -> Iterator[PageBlock]:
    """Adjustments that are not withdrawn, each with what the person may do about it, and the form of the next."""
    for each in data.adjustments:
        if each.status is not AdjustmentStatus.WITHDRAWN:
            yield Paragraph(text=_adjustment_text(data, each, address.locale))
            yield from _decisions(data, each, actor, address)
    if actor.may_propose and data.versions:
        note = "Nothing changes until another person approves it."
        form = _form("propose", "Propose adjustment", data, address, note, PROPOSAL_FIELDS)
        words_of = f"baseline adjust {baseline_id} --from DAY --to DAY --kwh-per-day NUMBER --method TEXT"
        yield signed(form, f"{words_of} --evidence TEXT", actor)


def adjustment_span(data: UseData, record: AdjustmentRecord, locale: str) -> Text:
    """Span and size of an adjustment, and who proposed it."""
    adjustment = record.adjustment
    days = (short_date(day, locale) for day in (adjustment.start, adjustment.end))
    percent, kwh = adjustment.percent, written(f"{adjustment.kwh_per_day}", locale)
    size = Sentence("{0} kWh a day", kwh) if percent is None else f"{written(f'{percent}', locale)} %"
    return Sentence("{0} to {1}: {2}, proposed by {3}", *days, size, data.person(record.proposed_by))


def _adjustment_text(data: UseData, record: AdjustmentRecord, locale: str) -> Text:
    """The adjustment as a second person checks it: span, size, method and evidence."""
    adjustment = record.adjustment
    status = Sentence("{0}: {1}", named(adjustment.reason), Sentence(record.status.value))
    evidence = Sentence("Method: {0}. Evidence: {1}", named(adjustment.method), named(adjustment.evidence))
    return sentences((status, adjustment_span(data, record, locale), evidence), ". ")


def _decisions(
    data: UseData, record: AdjustmentRecord, actor: AdjustmentActor, address: Address
) -> Iterator[PageBlock]:
    is_own, is_open = record.proposed_by == actor.person_id, record.status is AdjustmentStatus.PROPOSED
    place, title = f"adjustments/{record.adjustment_id}", "Withdraw adjustment"
    if is_own and is_open:
        yield Paragraph(
            text=Sentence("You proposed this adjustment, and do not approve it yourself. {0}", actor.others),
            tone="muted",
        )
    if not is_own and is_open and actor.may_approve:
        note = "Expected energy takes it from now on."
        form = _form(f"{place}/approve", "Approve adjustment", data, address, note, (REASON,))
        yield signed(form, f"baseline adjust --approve {record.adjustment_id}", actor)
    if is_own and is_open and actor.may_propose:
        form = _form(f"{place}/take-back", "Take back proposal", data, address, "", (REASON,))
        yield signed(form, f"baseline adjust --withdraw {record.adjustment_id}", actor)
    elif not is_own and actor.may_approve:
        note = "" if is_open else "Expected energy is without it from now on; what was published keeps it."
        form = _form(f"{place}/withdraw", title, data, address, note, (REASON,))
        yield signed(form, f"baseline adjust --withdraw {record.adjustment_id}", actor)


def _form(place: str, title: str, data: UseData, address: Address, note: Text, fields: tuple[Input, ...]) -> Form:
    action = Address(path=f"{ENPI}/{data.site.site_id}/{data.seu.seu_id}/{place}", locale=address.locale).href()
    return Form(key=place.replace("/", "-"), title=title, action=action, fields=fields, note=note)
