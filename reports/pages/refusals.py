"""Rejected rows in quarantine, by file and reason: where, why, what mends it, and another try."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.page import Form, PageBlock, Refusal, Refusals
from reports.report_content import Paragraph
from reports.texts.locales import named
from reports.writer import words

RETRY, TAKE = "retry", "accept"
MOST_SHOWN = 100
_CORRECT: Text = "Upload the corrected file"
_FIXES: Mapping[str, Text] = {
    "unknown_meter": "Add the meter, or its name in a column map, to the site file; then read the file again",
    "unknown_register": "Add the register to its meter in the site file; then read the file again",
    "unknown_unit": "State the unit in a column map of the site file; then read the file again",
    "unit_mismatch": "Correct the unit in a column map of the site file; then read the file again",
    "no_zone": "State the time zone in a column map of the site file; then read the file again",
    "negative_consumption": "Check the direction of the meter, then upload the corrected file",
    "future_timestamp": "Check the clock of the meter, then upload the corrected file",
    "unit_suspected": "Check the unit; if the size is right, accept it",
    "scale_slip": "Check the unit; if the size is right, accept it",
}


class Refused(NamedTuple):
    """Rows of a file that were refused for one reason. item_id: one of them; lines: first and last, 0 for the whole
    file. needs_map: a column map would read the file; may_take: a person's word on the size takes them.
    """

    item_id: str
    file: str
    lines: tuple[int, int]
    reason: str
    rows: int
    since: str
    needs_map: bool = False
    may_take: bool = False


def refusal_blocks(
    refused: Sequence[Refused], address: Address, *, may_act: bool, retried: bool | None = None
) -> tuple[PageBlock, ...]:
    """The table, the newest first. retried: of a file that was read again just now whether that resolved it."""
    rows = tuple(_refusal(each, address, may_act=may_act) for each in refused[:MOST_SHOWN])
    files = len({each.file for each in refused})
    hint = Sentence("{0} rows in {1} files", sum(each.rows for each in refused), files) if refused else ""
    table = Refusals(title="Quarantine", hint=hint, rows=rows)
    if retried is None:
        return (table,)
    said = "The file was read again, and these rows are stored." if retried else (
        "The file was read again just as before: nothing changed. Correct the site file or the file first."
    )  # fmt: skip
    return (Paragraph(text=said, tone="good" if retried else "caution"), table)


def _refusal(refused: Refused, address: Address, *, may_act: bool) -> Refusal:
    first, last = refused.lines
    lines = f":{first}" if first and first == last else f":{first}–{last}" if first else ""
    fix = Sentence("Name its columns: {0}", named(f"meterloom sniff FILE --site {address.site} --write"))
    return Refusal(
        where=named(f"{refused.file}{lines}"), reason=words(refused.reason), rows=str(refused.rows),
        since=refused.since, fix=fix if refused.needs_map else _FIXES.get(refused.reason, _CORRECT),
        acts=_acts(refused, address) if may_act else (),
    )  # fmt: skip


def _acts(refused: Refused, address: Address) -> tuple[Form, ...]:
    says: dict[str, Text] = {RETRY: "Read again"}
    if refused.may_take:
        says = {TAKE: Sentence("Accept {0} rows", refused.rows)} | says
    return tuple(
        Form(
            key=f"{act}-{refused.item_id[:12]}", title=text, action=address.href(act_path(refused.item_id, act)),
            method="post", fields=(), submit=text,
        )
        for act, text in says.items()
    )  # fmt: skip


def act_path(item_id: str, act: str) -> str:
    """The address of an act on a refused file."""
    return f"/data/quarantine/{item_id}/{act}"
