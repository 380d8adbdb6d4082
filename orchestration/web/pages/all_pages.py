"""All pages, in the order in which addresses are looked at."""

from fastapi import APIRouter

from orchestration.web.pages import (
    board_pages,
    energy_pages,
    enpi_pages,
    live_pages,
    profile_pages,
    report_pages,
    report_twins,
    sign_in_pages,
    why_pages,
)  # fmt: skip

# In this order: a twin's address begins like the list's.
PAGES: tuple[APIRouter, ...] = tuple(
    each.router
    for each in (
        sign_in_pages, profile_pages, report_twins, board_pages, live_pages, energy_pages, why_pages, enpi_pages,
        report_pages,
    )
)  # fmt: skip
