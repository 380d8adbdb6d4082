"""Cuts the fonts of the report PDFs out of Liberation Sans 2: `python .ci/fonts/subset.py FOLDER`.

FOLDER holds LiberationSans-Regular.ttf and LiberationSans-Bold.ttf of release 2.1.5 (Debian's package
fonts-liberation2). The same two files give the same bytes; SHA256 beside this file names what was read and written.
"""

import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

OUT = Path(__file__).parents[2] / "reports" / "render" / "fonts"
# A name of ours: Liberation is reserved for what its makers release.
FAMILY = "Meterloom Sans"
FACES = ("Regular", "Bold")
# Latin, Greek, Cyrillic, and the signs of units and formulas. No soft hyphen and no combining mark: those are no
# letters of a line of text.
RANGES = (
    (0x20, 0x7E), (0xA0, 0xAC), (0xAE, 0x17F), (0x18F, 0x18F), (0x192, 0x192), (0x1A0, 0x1B0), (0x1CD, 0x1DC),
    (0x1E6, 0x1E7), (0x1FA, 0x21B), (0x237, 0x237), (0x259, 0x259), (0x2C6, 0x2C7), (0x2D8, 0x2DD), (0x370, 0x482),
    (0x48A, 0x52F), (0x1E80, 0x1E85), (0x1E9E, 0x1E9E), (0x1EA0, 0x1EF9), (0x2009, 0x2009), (0x2010, 0x2027),
    (0x202F, 0x205E), (0x2070, 0x2094), (0x20A0, 0x20BF), (0x2100, 0x218B), (0x2190, 0x2195), (0x2200, 0x22C5),
    (0x25A0, 0x25FF),
)  # fmt: skip


def cut(source: Path, face: str) -> None:
    """Write the part of a face that reports use, without hints: paper has more dots than a hint helps."""
    options = Options(hinting=False, layout_features=[], notdef_outline=True, recalc_timestamp=False)
    options.name_IDs, options.drop_tables = (
        [0, 1, 2, 4, 6],
        [*options.drop_tables, "GDEF", "GPOS", "GSUB", "kern", "gasp"],
    )
    with TTFont(source / f"LiberationSans-{face}.ttf", recalcTimestamp=False) as font:
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=[code for first, last in RANGES for code in range(first, last + 1)])
        subsetter.subset(font)
        names = {1: FAMILY, 2: face, 4: f"{FAMILY} {face}", 6: f"{FAMILY.replace(' ', '')}-{face}"}
        for number, text in names.items():
            font["name"].setName(text, number, 3, 1, 0x409)
        font["name"].removeNames(platformID=1)
        OUT.mkdir(exist_ok=True)
        font.save(OUT / f"{names[6]}.ttf")


if __name__ == "__main__":
    for each in FACES:
        cut(Path(sys.argv[1]), each)
