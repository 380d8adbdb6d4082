"""A site file with one thing changed and every comment kept: where a meter's parent is written."""

import re

from data_quality.contracts.errors import BadInput


def with_parent(text: str, meter_id: str, parent: str, *, file: str = "") -> str:
    """The text of a site file with `parent: <parent>` beside the meter's id.

    Raises BadInput where the meter stands nowhere, twice, or has a parent already: a person decides then.
    """
    # By lines: read as YAML and written anew, a file would lose its comments and the order of its keys.
    lines = text.splitlines(keepends=True)
    # A list item in block form or in braces, the id first or behind other keys, quoted or not.
    entry = re.compile(
        rf"^(?P<lead>\s*-?\s*(?P<brace>{{)?\s*|.*[{{,]\s*)meter_id:\s*(['\"]?){re.escape(meter_id)}\3(?=[\s,}}]|$)"
    )
    found = [(at, match) for at, line in enumerate(lines) if (match := entry.match(line)) and _is_meter(lines, at)]
    if len(found) != 1:
        raise BadInput(
            f"meter {meter_id!r} stands at {len(found)} places; write 'parent: {parent}' by hand",
            file=file,
            reason="cannot_patch",
        )
    at, match = found[0]
    line = lines[at]
    is_flow = "{" in match["lead"]
    if re.search(r"\bparents?:", _entry_text(lines, at, is_flow=is_flow)):
        raise BadInput(
            f"meter {meter_id!r} has a parent already; change it by hand", file=file, line=at + 1, reason="has_parent"
        )
    if is_flow:
        lines[at] = line[: match.end()] + f", parent: {parent}" + line[match.end() :]
    else:
        indent = " " * line.index("meter_id")
        # The line endings of the file: an editor on Windows would show one line of another kind.
        ending = "\r\n" if line.endswith("\r\n") else "\n"
        lines[at] = line.rstrip("\r\n") + ending
        lines.insert(at + 1, f"{indent}parent: {parent}{ending}")
    return "".join(lines)


def _is_meter(lines: list[str], at: int) -> bool:
    """True inside the top-level `meters:` block."""
    for line in reversed(lines[:at]):
        # Whatever else stands in the first column is the key of another block.
        if line[:1] not in {" ", "-", "#", "\n", "\r", "\t", "}", "]"}:
            return line.startswith("meters:")
    return False


def _entry_text(lines: list[str], at: int, *, is_flow: bool) -> str:
    """The lines of the list item that `at` stands in."""
    if is_flow:
        text, depth = "", 0
        for line in lines[at:]:
            text += line
            depth += line.count("{") - line.count("}")
            if depth <= 0:
                break
        return text
    column = lines[at].index("meter_id")
    first = at
    while first > 0 and not lines[first].lstrip().startswith("- "):
        first -= 1
    last = at + 1
    # An item ends where a line stands further left than its keys.
    while last < len(lines) and (not lines[last].strip() or len(lines[last]) - len(lines[last].lstrip()) >= column):
        last += 1
    return "".join(lines[first:last])
