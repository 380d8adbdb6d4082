"""A stored report as a page: the same sentences, tables and charts as on paper, each figure with its why."""

from reports.content.register import register_table
from reports.pages.address import Address
from reports.pages.chart import chart_of
from reports.pages.page import Number, Numbers, Page, PageBlock, Part
from reports.render.heading import facts_text, title_text
from reports.report_content import Block, Chart, Paragraph, Register, ReportContent, Tiles


def report_page(content: ReportContent, address: Address, links: tuple[tuple[str, str], ...] = ()) -> Page:
    """The page of a revision. links: its files and what may be done with it."""
    whys = {each.figure_id: address.href("/why", figure=each.figure_id) for each in content.figures}
    parts = [
        Part(
            key=f"part-{section.key}",
            # The first section stands under the report's own title, as on paper.
            title=section.title if at else "",
            blocks=tuple(_block(block, content, whys) for block in section.blocks),
        )
        for at, section in enumerate(content.sections)
        if section.blocks
    ]
    head = Part(key="head", blocks=(Paragraph(text=facts_text(content), tone="muted"),))
    return Page(
        title=title_text(content),
        address=address,
        parts=(head, *parts),
        links=links,
        whys=whys,
        told_in=content.locale,
        is_synthetic=content.is_synthetic,
    )


def _block(block: Block, content: ReportContent, whys: dict[str, str]) -> PageBlock:
    if isinstance(block, Tiles):
        numbers = (Number(**tile.model_dump(), why=whys.get(tile.figure_id, "")) for tile in block.tiles)
        return Numbers(numbers=tuple(numbers))
    if isinstance(block, Register):
        return register_table(block, content.figures, content.spoken)
    if isinstance(block, Chart):
        return chart_of(block)
    return block
