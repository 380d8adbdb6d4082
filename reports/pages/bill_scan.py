"""A bill that was read of a picture: the picture beside the fields, each with how sure it is, to be confirmed."""

from data_quality.contracts.billing.supplier_bill import ScannedField, SupplierBill
from data_quality.contracts.sentence import Sentence
from reports.figures.bill_figures import StandingBill
from reports.pages.bills import PATH
from reports.pages.page import Beside, Form, Input, Part
from reports.texts.locales import named

# Field of the bill -> what the page calls it.
HEADS = {
    "supplier": "Supplier", "invoice": "Invoice", "account": "Account", "meter": "Meter", "start": "First day",
    "end": "Day after the last", "tariff_codes": "Tariff on the bill", "multiplier": "Meter multiplier",
    "currency": "Currency", "net": "Net", "total": "Total",
}  # fmt: skip
_OF_LINE = {"quantity": "{0}: quantity", "rate": "{0}: rate", "amount": "{0}: amount"}


def confirm_part(bill: StandingBill, site_id: str, *, key_needed: str | None, command: str) -> Part:
    """Picture and form. key_needed: the public key of who signs; None: nobody signs here. command: does the same."""
    form = Form(
        key="confirm", title="Confirm bill", action=f"{PATH}/{bill.bill_id}/confirm?site={site_id}", method="post",
        fields=(*_fields(bill.bill), Input(name="reason", label="Reason", is_required=True)), submit="Confirm bill",
        note="It counts, and is checked, from then on. The picture is kept.",
        **({"public_key": key_needed, "command": command} if key_needed else {}),
    )  # fmt: skip
    pictures = tuple(
        (f"{PATH}/{bill.bill_id}/pages/{page}?site={site_id}", Sentence("Page {0} of the bill as it was sent", page))
        for page in range(1, bill.bill.pages + 1)
    )
    return Part(key="confirm", title="Read of a picture", blocks=(Beside(key="confirm", pictures=pictures, form=form),))


def _fields(bill: SupplierBill) -> tuple[Input, ...]:
    known = {each.name: each for each in bill.scan.fields} if bill.scan else {}
    heads = [
        Input(name=name, label=label, value=_value(bill, name), hint=_hint(known.get(name)))
        for name, label in HEADS.items()
    ]
    lines = [
        Input(
            name=f"lines.{at}.{key}", label=Sentence(pattern, named(line.label)), value=_value(line, key),
            hint=_hint(known.get(f"lines.{at}")) if key == "amount" else "",
        )
        for at, line in enumerate(bill.lines)
        for key, pattern in _OF_LINE.items()
    ]  # fmt: skip
    return (*heads, *lines)


def _value(of: object, name: str) -> str:
    value = getattr(of, name)
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, tuple) else f"{value}"


def _hint(field: ScannedField | None) -> str:
    """How sure the reading is; of a field that a person should look at, that first."""
    if field is None:
        return ""
    if field.place.line == 0:
        return Sentence("Look at the picture: this was not found.")
    share = f"{field.sure:.0%}"
    if field.is_for_a_person:
        return Sentence("Look at the picture: read with {0} certainty, line {1} of page {2}.", share, *_at(field))
    return Sentence("Read with {0} certainty, line {1} of page {2}.", share, *_at(field))


def _at(field: ScannedField) -> tuple[int, int]:
    return field.place.line, field.place.page
