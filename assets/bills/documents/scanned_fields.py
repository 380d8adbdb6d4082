"""Fields of a bill that was read of a picture: how sure each is, and what the bill's own numbers say against it."""

from collections.abc import Mapping
from decimal import Decimal

from assets.bills.documents.read_scan import Scanned
from data_quality.contracts.billing.supplier_bill import BilledLine, Place, Scan, ScannedField, SupplierBill

_CENT = Decimal("0.01")
# Numbers and codes of suppliers have no gaps: one that has was torn apart by the reader.
_EXPECTED = ("invoice", "account", "meter", "start", "end", "currency", "total")
_CODES = ("invoice", "account", "meter", "tariff_codes")


def scan_of(bill: SupplierBill, seen: Scanned, places: Mapping[str, Place]) -> Scan:
    """The fields of the bill with how sure each is. places: of its head; registers are called by their name."""
    texts = {row.place: ": ".join(cell for cell in row.cells if cell) for row in seen.rows}

    def field(name: str, place: Place, doubt: str = "") -> ScannedField:
        return ScannedField(
            name=name, place=place, text=texts.get(place, ""), sure=seen.sure.get(place, 0), doubt=doubt
        )

    heads = [
        field(name if name in SupplierBill.model_fields else f"registers.{name}", place, _of_head(bill, name))
        for name, place in places.items()
    ]
    # What every bill has and no line of the picture was read as: somebody looks for it there.
    missing = [field(name, Place(), "was not found") for name in _EXPECTED if name not in places]
    lines = [field(f"lines.{at}", each.place, _of_line(each)) for at, each in enumerate(bill.lines)]
    return Scan(fields=(*heads, *missing, *lines), turned_degrees=seen.turned_degrees)


def _of_head(bill: SupplierBill, name: str) -> str:
    if name in _CODES:
        value = getattr(bill, name)
        codes = value if isinstance(value, tuple) else (value,)
        return "has a gap, which a code has not" if any(" " in each for each in codes) else ""
    if name == "total" and bill.total is not None:
        # Sum of the lines in words where the total is another: one wrong digit anywhere makes it so.
        found = bill.lines_total
        return "" if abs(found - bill.total) < _CENT else f"the lines add up to {found:f}"
    return ""


def _of_line(line: BilledLine) -> str:
    if line.quantity is None or line.rate is None:
        return ""
    found = (line.quantity * line.rate).quantize(_CENT)
    # Rates are printed rounded, in pence by some: what is far off either way was misread.
    near = any(abs(each - line.amount) <= max(_CENT, abs(line.amount) / 200) for each in (found, found / 100))
    return "" if near else f"quantity by rate is {found:f}"
