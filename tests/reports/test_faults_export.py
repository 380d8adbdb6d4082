"""F15: a name in a workbook is a text, whatever it begins with; the only formulas are those of the figures."""

import io
import itertools
import re

import openpyxl
import pypdf

from reports.render.render_pdf import render_pdf
from reports.render.render_xlsx import render_xlsx
from reports.report_content import Block, Cell, Paragraph, ReportContent, Table
from tests.orchestration.hostile import FORMULAS, SCRIPTS
from tests.reports import plant
from tests.reports.conftest import MakeWorld

# A formula of ours names cells of the register, numbers and the functions of figures; nothing that a name could bring.
OURS = re.compile(r"=(?:100\*)?\(?(?:SUM|MAX)?\(?(?:Figures!)?[$A-Z0-9,/()*-]*")


def formulas(data: bytes) -> list[str]:
    book = openpyxl.load_workbook(io.BytesIO(data))
    return [str(cell.value) for page in book for row in page.iter_rows() for cell in row if cell.data_type == "f"]


def renamed(content: ReportContent, names: list[str]) -> ReportContent:
    """The content with every text of it replaced by one name after the other."""
    turn = itertools.cycle(names)

    def named(cell: Cell) -> Cell:
        return cell if cell.figure_id else cell.model_copy(update={"text": next(turn)})

    def evil(block: Block) -> Block:
        if isinstance(block, Table):
            rows = tuple(
                row.model_copy(update={"cells": tuple(named(cell) for cell in row.cells)}) for row in block.rows
            )
            return block.model_copy(update={"title": next(turn), "note": next(turn), "rows": rows})
        return block.model_copy(update={"text": next(turn)}) if isinstance(block, Paragraph) else block

    sections = tuple(
        section.model_copy(update={"blocks": tuple(evil(block) for block in section.blocks)})
        for section in content.sections
    )
    figures = tuple(figure.model_copy(update={"label": next(turn)}) for figure in content.figures)
    changed = {"sections": sections, "figures": figures, "site_name": next(turn), "title": next(turn)}
    return content.model_copy(update=changed)


def test_fault_f15_no_name_becomes_a_formula(content: ReportContent) -> None:
    honest, changed = formulas(render_xlsx(content)), render_xlsx(renamed(content, [*FORMULAS, SCRIPTS[0]]))
    assert formulas(changed) == honest
    assert honest
    assert all(OURS.fullmatch(formula) for formula in honest)
    texts = {
        cell.value for page in openpyxl.load_workbook(io.BytesIO(changed)) for row in page.iter_rows() for cell in row
    }
    assert {"=1+1", "@SUM(A1)", "+1+1"} <= texts


def test_fault_f15_a_site_named_like_a_formula_gives_no_formula_more(content: ReportContent, world: MakeWorld) -> None:
    evil = world(site=plant.plant_site(name='=HYPERLINK("http://evil.example")')).build(1)
    assert formulas(render_xlsx(evil)) == formulas(render_xlsx(content))


def test_fault_f16_a_pdf_shows_a_name_as_text_and_runs_nothing(content: ReportContent) -> None:
    data = render_pdf(renamed(content, SCRIPTS))
    assert not re.search(rb"/(JavaScript|JS|Launch|URI|OpenAction)\b", data)
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages).replace("\n", "")
    assert "<script>alert(1)</script>" in text
