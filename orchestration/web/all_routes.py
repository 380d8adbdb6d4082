"""All pages and endpoints: of every module of `pages` and `api` its router, and where the head of a page leads."""

from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter

from orchestration.web import api, pages, static_files
from orchestration.web.pages import board_pages
from orchestration.web.request_context import Nav

_MODULES = [
    import_module(f"{folder.__name__}.{each.name}") for folder in (pages, api) for each in iter_modules(folder.__path__)
]
ROUTERS: tuple[APIRouter, ...] = (
    *(each.router for each in _MODULES if hasattr(each, "router")), static_files.router,
)  # fmt: skip
NAV: tuple[Nav, ...] = tuple(sorted(
    (*(each.NAV for each in _MODULES if hasattr(each, "NAV")), *board_pages.NAVS), key=lambda each: each.place
))  # fmt: skip
