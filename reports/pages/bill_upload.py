"""A bill file on its way into the store: choosing it, and what was read of it before it is accepted."""

from collections.abc import Sequence

from data_quality.contracts.billing.supplier_bill import ScannedField, SupplierBill
from data_quality.contracts.sentence import Sentence
from reports.figures.bill_figures import AuditedBill
from reports.pages.address import Address
from reports.pages.bills import PATH, bill_address, picture_address
from reports.pages.page import REASON, Form, Input, Page, PageBlock, Part, SentPictures, Steps
from reports.report_content import Cell, Column, Paragraph, Table, table
from reports.texts.locales import format_number, long_date, named, unit_text

UPLOAD = "/upload/bill"
PREVIEW = f"{UPLOAD}/preview"
MOST_MB = 16
TOO_LARGE = f"A bill here has at most {MOST_MB} MB. Larger ones: meterloom bill add FILE"
# Field of the bill -> what the page calls it.
HEADS = {
    "supplier": "Supplier", "invoice": "Invoice", "account": "Account", "meter": "Meter", "start": "First day",
    "end": "Day after the last", "tariff_codes": "Tariff on the bill", "multiplier": "Meter multiplier",
    "currency": "Currency", "net": "Net", "total": "Total",
}  # fmt: skip
_OF_LINE = {"quantity": "{0}: quantity", "rate": "{0}: rate", "amount": "{0}: amount"}


def upload_page(site_id: str, address: Address) -> Page:
    """The form in which a file is chosen, or dropped."""
    fields = (
        Input(name="file", label="Bill as PDF, image, CSV or XLSX", kind="file", is_required=True, hint=TOO_LARGE),
    )
    form = Form(
        key="upload", title="Upload bill", action=f"{PREVIEW}?site={site_id}", fields=fields,
        submit="Read bill", note="What was read is shown first. Nothing is stored before you accept it.",
    )  # fmt: skip
    return _page(address, "Upload bill", (form,))


def preview_page(
    bill: SupplierBill, kept: str, site_id: str, address: Address, *, stored: str = "", like: str = ""
) -> Page:
    """Bill as read. kept: the upload's key; stored: id of the bill that this very file is already; like: of one with
    its invoice number.
    """
    blocks: list[PageBlock] = []
    if stored:
        text = Sentence("This file is stored already, as bill {0}.", named(bill.invoice or bill.file))
        blocks.append(Paragraph(text=text, tone="caution"))
    elif like:
        text = Sentence("A bill with the invoice number {0} is stored already, of another file.", named(bill.invoice))
        blocks.append(Paragraph(text=text, tone="caution"))
    if bill.unread:
        text = Sentence("{0} parts of the bill could not be read; they are stored as not read.", len(bill.unread))
        blocks.append(Paragraph(text=text, tone="bad"))
    if bill.is_draft:
        text = Sentence("This was read from an image. It counts once you have confirmed it against the image.")
        blocks.append(Paragraph(text=text, tone="caution"))
    blocks += [_facts(bill, address.locale), _lines(bill, address.locale)]
    blocks += [_unread(bill)] if bill.unread else []
    if not stored:
        fields = (Input(name="kept", kind="hidden", value=kept),)
        blocks.append(
            Form(
                key="accept", title="Accept bill", action=f"{UPLOAD}/add?site={site_id}", fields=fields,
                note="It is stored with its file, and checked at once.",
            )
        )  # fmt: skip
    links = [("Open bill", bill_address(each, address)) for each in (stored or like,) if each]
    return _page(address, Sentence("Upload bill: {0}", named(bill.file)), blocks, links)


def _page(address: Address, title: str, blocks: Sequence[PageBlock], links: Sequence[tuple[str, str]] = ()) -> Page:
    back = ("All bills", address.href(PATH))
    part = Part(key="bill", blocks=tuple(blocks))
    return Page(title=title, address=address, parts=(part,), links=(*links, back))


def _facts(bill: SupplierBill, locale: str) -> Steps:
    dates = [long_date(each, locale) if each else Sentence("not read") for each in (bill.start, bill.end)]
    amount = format_number(bill.amount_due, decimals=2, locale=locale)
    facts = (
        ("Supplier", named(bill.supplier)), ("Invoice", named(bill.invoice)), ("Account", named(bill.account)),
        ("Meter", named(bill.meter)), ("Period", Sentence("{0} to {1} (excluded)", *dates)),
        ("Tariff on the bill", named(", ".join(bill.tariff_codes))),
        ("Total", named(f"{amount} {unit_text(bill.currency or '')}".strip())),
    )  # fmt: skip
    shown = tuple((name, text if text != named("") else Sentence("not read"), "") for name, text in facts)
    return Steps(title="Read from the bill", steps=shown)


def _lines(bill: SupplierBill, locale: str) -> Table:
    unit = unit_text(bill.currency or "")
    columns = (
        "Line", Column(title="Quantity", is_number=True), "Unit", Column(title="Rate", is_number=True),
        Column(title="Billed", unit=unit, is_number=True),
    )  # fmt: skip
    rows = [
        (
            named(each.label), format_number(each.quantity, decimals=3, locale=locale), named(each.unit),
            format_number(each.rate, decimals=4, locale=locale), format_number(each.amount, decimals=2, locale=locale),
        )
        for each in bill.lines
    ]  # fmt: skip
    return table("read", "Lines", columns, rows)


def _unread(bill: SupplierBill) -> Table:
    rows = [(named(str(each.place)), Cell(text=named(each.text), tone="bad"), each.expected) for each in bill.unread]
    return table("unread", "Not read", ("Place", "Text", "Expected"), rows)


def confirm_part(bill: AuditedBill, address: Address, *, public_key: str, command: str) -> Part:
    """Picture and form. public_key: of who signs; empty: nobody signs here. command: does the same."""
    form = Form(
        title="Confirm bill", action=f"{PATH}/{bill.bill_id}/confirm?site={address.site}",
        fields=(*_fields(bill.bill), REASON),
        note="It counts, and is checked, from then on. The image is kept.",
        public_key=public_key, command=command if public_key else "",
    )  # fmt: skip
    pictures = tuple(_picture(bill, page, address) for page in range(1, bill.bill.pages + 1))
    return Part(
        key="confirm", title="Read from an image", blocks=(SentPictures(key="confirm", pictures=pictures, form=form),)
    )


def picture_page(bill: AuditedBill, page: int, pages: int, address: Address) -> Page:
    """One page of a bill as it was sent, from 1, with its neighbours among so many pages."""
    picture, title, _ = _picture(bill, page, address)
    beside = (("Previous page", page - 1), ("Next page", page + 1))
    links = [(text, picture_address(bill, at, address)) for text, at in beside if 1 <= at <= pages]
    return Page(
        title=title, address=address,
        parts=(Part(key="page", blocks=(SentPictures(key="page", pictures=((picture, title, picture),)),)),),
        links=(*links, ("Open bill", bill_address(bill.bill_id, address))),
    )  # fmt: skip


def _picture(bill: AuditedBill, page: int, address: Address) -> tuple[str, str, str]:
    text = Sentence("Page {0} of the bill as it was sent", page)
    return picture_address(bill, page, address, ".png"), text, picture_address(bill, page, address)


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
    """Confidence of the reading; of a field that a person should look at, that first."""
    if field is None:
        return ""
    if field.place.line == 0:
        return Sentence("Look at the image: this was not found.")
    share = f"{field.sure:.0%}"
    if field.is_for_a_person:
        return Sentence("Look at the image: read with {0} certainty, line {1} of page {2}.", share, *_at(field))
    return Sentence("Read with {0} certainty, line {1} of page {2}.", share, *_at(field))


def _at(field: ScannedField) -> tuple[int, int]:
    return field.place.line, field.place.page
