"""The blocks of a site file: commented examples under a heading in [brackets]."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SITE = Path(__file__).parent / "site.yaml"
HEADING = re.compile(r"^(\s*)# \[(\w+)\] (.*)$")
# The parts of the template that a drafted site has too.
_FIRST, _END = "# Prices and devices:", "# What KPIs divide by"
_TARIFFS = ("tariffs", "fixed_price", "stream_tariff", "peak_charge", "feed_in")


@dataclass(frozen=True)
class Block:
    """One block: its heading, and its lines without the sign and the indent before it."""

    name: str
    indent: str
    prose: str
    lines: tuple[str, ...]

    def commented(self, name: str = "", lines: Sequence[str] | None = None) -> Iterator[str]:
        """Lines of the block commented out."""
        yield f"{self.indent}# [{name or self.name}] {self.prose}"
        yield from (f"{self.indent}# {line}" for line in (self.lines if lines is None else lines))

    def taken(self, name: str = "", lines: Sequence[str] | None = None) -> Iterator[str]:
        """Lines of the block as a part of the site file."""
        yield f"{self.indent}# [{name or self.name}] {self.prose}"
        yield from (f"{self.indent}{line}" for line in (self.lines if lines is None else lines))


def parts(text: str) -> Iterator[str | Block]:
    """The lines of a site file, its commented blocks as such."""
    lines = text.splitlines()
    place = 0
    while place < len(lines):
        heading = HEADING.match(lines[place])
        if heading is None:
            yield lines[place]
            place += 1
            continue
        sign, end = f"{heading[1]}# ", place + 1
        while end < len(lines) and lines[end].startswith(sign) and not HEADING.match(lines[end]):
            end += 1
        own = tuple(line.removeprefix(sign) for line in lines[place + 1 : end])
        yield Block(heading[2], heading[1], heading[3], own)
        place = end


@cache
def kind_of_block(name: str) -> str:
    """The kind of device that a block of the template makes."""
    found = [each for each in parts(SITE.read_text(encoding="utf-8")) if isinstance(each, Block) and each.name == name]
    return next((line.split()[1] for each in found for line in each.lines if line.strip().startswith("kind:")), "")


def for_draft(draft: str, *, grid: str, has_tariff: bool) -> str:
    """A drafted site file with the template's blocks of prices and devices. grid: its meter at the grid connection."""
    template = SITE.read_text(encoding="utf-8")
    blocks = [each for each in parts(template) if isinstance(each, Block)]
    driver = next(each for each in blocks if each.name == "price_stream")
    connection = next(each for each in blocks if each.name == "connection")
    tail = [
        line
        for part in parts(template[template.index(_FIRST) : template.index(_END)])
        if not (has_tariff and isinstance(part, Block) and part.name in _TARIFFS)
        for line in ([part] if isinstance(part, str) else part.commented())
    ]
    draft = _behind(draft, f"  - meter_id: {grid}", connection)
    if "driver_id: import_price" not in draft:
        if "\ndrivers:\n" in draft:
            draft = _behind(draft, "drivers:", driver)
        else:
            alone = Block(driver.name, "", driver.prose, ("drivers:", *(f"  {line}" for line in driver.lines)))
            tail = [*alone.commented(), "", *tail]
    return "\n".join([draft, *tail]) + "\n"


def _behind(text: str, line: str, block: Block) -> str:
    return text.replace(f"\n{line}\n", "\n".join(["", line, *block.commented(), ""]), 1)
