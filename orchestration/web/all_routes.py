"""All pages and endpoints: of every module of `pages` and `api` its router, and where the head of a page leads."""

from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter

from orchestration.web import api, pages, static_files
from orchestration.web.request_context import Nav

_MODULES = [
    import_module(f"{folder.__name__}.{each.name}") for folder in (pages, api) for each in iter_modules(folder.__path__)
]
ROUTERS: tuple[APIRouter, ...] = (
    *(each.router for each in _MODULES if hasattr(each, "router")), static_files.router,
)  # fmt: skip
# Of a module with one place NAV, with several NAVS.
NAV: tuple[Nav, ...] = tuple(sorted(
    (place for each in _MODULES for place in getattr(each, "NAVS", (getattr(each, "NAV", None),)) if place),
    key=lambda each: each.place,
))  # fmt: skip
