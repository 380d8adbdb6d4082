"""LibreOffice, where it is present, opens the workbook as it is and computes the same."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import openpyxl
import pytest

from reports.render.render_xlsx import render_xlsx
from tests.reports.conftest import World

SOFFICE = shutil.which("soffice")
# Always compute on load: otherwise the stored values would only come back.
SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse">
<value>0</value></prop></item></oor:items>
"""


def spoiled(book: Path, copy: Path) -> None:
    """The workbook with a wrong stored value behind every formula."""
    with zipfile.ZipFile(book) as source, zipfile.ZipFile(copy, "w") as out:
        for name in source.namelist():
            data = source.read(name)
            if name.startswith("xl/worksheets/"):
                data = re.sub(rb"(</f>)<v>[^<]*</v>", rb"\1<v>12345</v>", data)
            out.writestr(name, data)


@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed")
def test_libreoffice_computes_every_formula_as_it_is_stored(good: World, tmp_path: Path) -> None:
    book = tmp_path / "report.xlsx"
    book.write_bytes(render_xlsx(good.build(1)))
    spoiled(book, tmp_path / "spoiled.xlsx")
    settings = tmp_path / "profile" / "user" / "registrymodifications.xcu"
    settings.parent.mkdir(parents=True)
    settings.write_text(SETTINGS, encoding="utf-8")
    subprocess.run(
        [
            str(SOFFICE),
            "--headless",
            f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
            "--convert-to",
            "xlsx:Calc MS Excel 2007 XML",
            "--outdir",
            str(tmp_path / "out"),
            str(tmp_path / "spoiled.xlsx"),
        ],
        check=True,
        capture_output=True,
    )
    stored = openpyxl.load_workbook(book, data_only=True)
    said = openpyxl.load_workbook(book)
    computed = openpyxl.load_workbook(tmp_path / "out" / "spoiled.xlsx", data_only=True)
    cells = [(page.title, cell.coordinate) for page in said for row in page for cell in row if cell.data_type == "f"]
    assert len(cells) > 100
    for page, place in cells:
        was, now = stored[page][place].value, computed[page][place].value
        assert now == (pytest.approx(was, rel=1e-12) if isinstance(was, float) else was), (page, place)
