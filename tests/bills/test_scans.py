"""Bills as pictures: what is read is right or marked, what cannot be read is refused by name, nothing counts before a
person confirmed it.
"""

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path

import pypdf
import pytest
from PIL import Image, ImageDraw
from pypdf.generic import NameObject, StreamObject

from assets.bills.documents.read_bill import read_bill
from assets.bills.documents.read_scan import INSTALL, scan_lines
from assets.readings.readers.child import run_limited
from data_quality.contracts.billing.supplier_bill import Scan, SupplierBill
from data_quality.contracts.errors import BadInput
from orchestration.operations.bills.bill_acts import confirmed
from tests.bills.scans import BILLS, drawn, needs_tesseract

PDFS = ("SYN-2024-005.pdf", "SYN-2024-006.pdf", "SYN-2024-009.pdf")
# Dots an inch, noise of 255, degrees turned.
SCANNERS = ((150, 0.0, 0.0), (150, 12.0, 1.0), (200, 20.0, 1.5), (300, 25.0, -2.0))
HEADS = ("supplier", "invoice", "account", "meter", "start", "end", "tariff_codes", "multiplier", "currency", "total")


def answers() -> dict[str, dict[str, str]]:
    with (BILLS / "answers.csv").open(encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def kept(folder: Path, picture: Image.Image, name: str = "scan.png") -> Path:
    picture.save(folder / name)
    return folder / name


def wrong_and_not_marked(bill: SupplierBill, truth: SupplierBill) -> list[str]:
    """Fields that differ from the bill as text without anybody being told to look at them."""
    assert bill.scan is not None
    marked = {each.name for each in bill.scan.fields if each.is_for_a_person}
    unread = {each.label.strip().rstrip(":").lower() for each in bill.unread}
    wrong = [name for name in HEADS if getattr(bill, name) != getattr(truth, name) and name not in marked]
    if len(bill.lines) != len(truth.lines) and not {"total", *unread} & (marked | unread):
        wrong.append("lines")
    for at, (mine, theirs) in enumerate(zip(bill.lines, truth.lines, strict=False)):
        values = [(each.quantity, each.rate, each.amount) for each in (mine, theirs)]
        if values[0] != values[1] and not {f"lines.{at}", "total"} & marked:
            wrong.append(f"lines.{at}")
    return wrong


@needs_tesseract
@pytest.mark.slow
@pytest.mark.parametrize("scanner", SCANNERS, ids=str)
@pytest.mark.parametrize("name", PDFS)
def test_what_a_picture_says_is_read_right_or_marked_for_a_person(
    tmp_path: Path, name: str, scanner: tuple[int, float, float]
) -> None:
    dpi, noise, turned = scanner
    truth, answer = read_bill(BILLS / name), answers()[name]
    bill = read_bill(kept(tmp_path, drawn(BILLS / name, dpi=dpi, noise=noise, turned=turned)), run=run_limited)
    assert bill.is_draft
    assert wrong_and_not_marked(bill, truth) == []
    # What a person has to put right is little, and the money is not among it.
    assert bill.total == Decimal(answer["total_gbp"])
    assert (bill.start, bill.end) == (
        date.fromisoformat(answer["period_from"]),
        date.fromisoformat(answer["period_to_exclusive"]),
    )
    assert sum(getattr(bill, each) == getattr(truth, each) for each in HEADS) >= len(HEADS) - 2


@needs_tesseract
def test_a_page_that_lies_turned_is_put_right_and_says_by_how_much(tmp_path: Path) -> None:
    bill = read_bill(kept(tmp_path, drawn(BILLS / PDFS[1], turned=180)))
    assert bill.scan is not None
    assert (bill.scan.turned_degrees, bill.total) == ((180,), Decimal("768.88"))


@needs_tesseract
def test_two_pages_are_one_bill_with_the_place_of_each_line(tmp_path: Path) -> None:
    page = drawn(BILLS / PDFS[1])
    head = page.crop((0, 0, page.width, page.height // 4))
    text = Image.new("L", page.size, 255)
    text.paste(head)
    for name, options in (("two.tif", {"compression": "tiff_lzw"}), ("two.pdf", {"resolution": 200})):
        text.save(tmp_path / name, save_all=True, append_images=[page], **options)
        bill = read_bill(tmp_path / name)
        assert (bill.pages, bill.total) == (2, Decimal("768.88")), name
        assert {each.place.page for each in bill.lines} == {2}


@needs_tesseract
def test_what_is_no_bill_is_refused_by_name(tmp_path: Path) -> None:
    empty = Image.new("L", (1654, 2339), 255)
    words = empty.copy()
    ImageDraw.Draw(words).text((200, 200), "Dear all\nplease see the other letter", fill=0, font_size=48)
    far = drawn(BILLS / PDFS[0], dpi=28)
    for name, picture, reason in (
        ("empty.png", empty, "unreadable_scan"), ("far.png", far, "unreadable_scan"),
        ("letter.png", words, "no_numbers"),
    ):  # fmt: skip
        with pytest.raises(BadInput) as refused:
            read_bill(kept(tmp_path, picture, name), run=run_limited)
        assert (refused.value.reason, refused.value.file) == (reason, str(tmp_path / name))
        assert refused.value.mend
    (tmp_path / "half.png").write_bytes((tmp_path / "letter.png").read_bytes()[:300])
    with pytest.raises(BadInput) as refused:
        read_bill(tmp_path / "half.png", run=run_limited)
    assert refused.value.reason == "broken_picture"


def test_a_picture_of_too_many_dots_or_pages_is_not_unpacked(tmp_path: Path) -> None:
    large = Image.new("1", (20_000, 20_000))
    large.save(tmp_path / "large.png")
    many = Image.new("1", (10, 10))
    many.save(tmp_path / "many.tif", save_all=True, append_images=[many] * 20)
    for name, reason in (("large.png", "broken_picture"), ("many.tif", "too_many_pages")):
        with pytest.raises(BadInput) as refused:
            read_bill(tmp_path / name)
        assert refused.value.reason == reason


def test_a_picture_of_more_dots_than_a_page_has_is_refused_by_their_number(tmp_path: Path) -> None:
    # Pillow by itself lets twice as many by, and of the later pages of a file any.
    Image.new("1", (10_000, 10_000)).save(tmp_path / "large.png")
    Image.new("1", (10, 10)).save(tmp_path / "late.tif", save_all=True, append_images=[Image.new("1", (8_000, 8_000))])
    for name in ("large.png", "late.tif"):
        with pytest.raises(BadInput, match="dots; a page has at most 50,000,000"):
            read_bill(tmp_path / name, run=run_limited)


def test_text_that_nobody_sees_is_a_picture_s_and_no_bill_s(tmp_path: Path, shared_data: Path) -> None:
    """As scanners with letters of their own write it: the picture of the page, and over it invisible text."""
    written = pypdf.PdfWriter(clone_from=shared_data / "bills" / PDFS[1])
    for page in written.pages:
        drawn_so = StreamObject()
        contents = page.get_contents()
        assert contents is not None
        drawn_so.set_data(b"q 0 Tr Q 3 Tr\n" + contents.get_data())
        page[NameObject("/Contents")] = written._add_object(drawn_so)
    written.write(tmp_path / "scan.pdf")
    with pytest.raises(BadInput) as refused:
        read_bill(tmp_path / "scan.pdf")
    assert refused.value.reason == "no_text_layer"


def test_without_tesseract_the_refusal_names_the_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    picture = kept(tmp_path, Image.new("L", (100, 100), 255))
    with pytest.raises(BadInput, match="tesseract, which is not installed here") as refused:
        scan_lines(str(picture))
    assert INSTALL in refused.value.mend


SEEN = SupplierBill(
    file="scan.png", sha256="a" * 64, pages=1, account="A 1", start=date(2025, 2, 1), end=date(2025, 3, 1),
    currency="EUR", total=Decimal(21), scan=Scan(),
)  # fmt: skip


def test_a_person_confirms_a_bill_with_what_they_put_right() -> None:
    made = confirmed(SEEN, ["total=20.00", "account=A1", "end=2025-03-01"], person_id="anne", reason="as on paper")
    assert made.scan is not None
    assert (made.is_draft, made.total, made.account) == (False, Decimal("20.00"), "A1")
    # What was said again as it stood was not put right.
    assert (made.scan.confirmed_by, made.scan.changed) == ("anne", ("total", "account"))
    for wrong, reason in (("total", "bad_option"), ("moon=1", "unknown_field"), ("lines.0.amount=1", "unknown_field"),
                          (f"lines.{'9' * 5000}.amount=1", "unknown_field"), ("pages.0.amount=1", "unknown_field"),
                          ("total=1e999999", "bad_value"), ("net=8,5", "bad_value"),
                          ("currency=euros", "bad_value"), ("total=much", "bad_value"),
                          ("end=2025-01-01", "bad_value")):  # fmt: skip
        with pytest.raises(BadInput) as refused:
            confirmed(SEEN, [wrong], person_id="anne", reason="x")
        assert refused.value.reason == reason, wrong


def test_a_bill_without_picture_is_known_by_the_digest_it_had() -> None:
    assert "scan" not in SEEN.model_copy(update={"scan": None}).model_dump(mode="json")
