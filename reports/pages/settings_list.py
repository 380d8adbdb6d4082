"""Settings of a project as they hold now, where each comes from; site files as they can be edited."""

from collections.abc import Sequence

from data_quality.contracts.sentence import Sentence
from data_quality.contracts.settings_shown import ShownSetting
from reports.pages.address import Address
from reports.pages.page import Page, PageBlock, Part
from reports.pages.widgets.tile import table
from reports.report_content import Cell, Paragraph
from reports.texts.locales import named

PATH = "/settings"
_FROM = {"default": "Default", "file": "meterloom.yaml", "environment": "Environment"}
NOT_ALL = "Settings are shown to administrators of all sites."


def settings_page(
    settings: Sequence[ShownSetting] | None, address: Address, *, is_changed: bool, sites: Sequence[tuple[str, str]]
) -> Page:
    """Settings as set, and defaults. settings: None for who is not shown them; sites: id and name of those whose file
    the person may edit. is_changed: the file says something else than what this process works with.
    """
    parts = []
    if sites:
        rows = [[Cell(text=named(name), figure_id=f"site-{each}"), Cell(text=named(each))] for each, name in sites]
        parts.append(Part(key="sites", blocks=(table("sites", "Site files", [("Site", ""), ("Id", "")], rows),)))
    if settings is None:
        parts.append(Part(key="none", blocks=(Paragraph(text=NOT_ALL, tone="muted"),)))
        return _page(parts, address, sites)
    if is_changed:
        notice = "The settings were changed since this process started. A restart applies them."
        parts.append(Part(key="changed", blocks=(Paragraph(text=notice, tone="caution"),)))
    note = "Read only: settings are in meterloom.yaml, and in the environment as METERLOOM_SECTION__KEY."
    given = [each for each in settings if each.origin != "default"]
    shown: list[PageBlock] = [_table("set", "Set in this project", given), Paragraph(text=note, tone="muted")]
    parts.append(Part(key="set", blocks=tuple(shown)))
    rest = [each for each in settings if each.origin == "default"]
    parts.append(Part(key="defaults", blocks=(_table("defaults", "Defaults", rest),)))
    hints = {each.name: each.about for each in settings if each.about}
    return _page(parts, address, sites).model_copy(update={"hints": hints})


def _page(parts: Sequence[Part], address: Address, sites: Sequence[tuple[str, str]]) -> Page:
    whys = {f"site-{each}": f"{PATH}/sites/{each}" for each, _ in sites}
    return Page(title="Settings", address=address, parts=tuple(parts), whys=whys)


def _table(key: str, title: str, settings: Sequence[ShownSetting]) -> PageBlock:
    columns = [("Setting", ""), ("Value", ""), ("From", "")]
    return table(key, title, columns, [_row(each) for each in settings])


def _row(setting: ShownSetting) -> list[Cell]:
    value = named(setting.value) if setting.value else Sentence("not set")
    return [
        Cell(text=named(setting.name)),
        Cell(text=value, tone="plain" if setting.value else "muted"),
        Cell(text=_FROM[setting.origin]),
    ]
