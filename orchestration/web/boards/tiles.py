"""The tiles of a board by key: which permission each asks for, whether it is of the whole site, and who fills it."""

import pickle
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from assets.stores.warehouse.marts import if_published
from data_quality.contracts.access.permissions import Permission, may, sees_whole_site
from orchestration.web.boards import audit_tiles, findings_tiles, span_tiles
from orchestration.web.boards.cost_change import why_it_changed
from orchestration.web.boards.portfolio_tiles import areas_of, compared_sites
from orchestration.web.boards.site_now import BoardQuery, Tile
from orchestration.web.cache import answers_of, turn
from orchestration.web.queries import stamp_of, stamp_of_uses
from reports.pages.board import boards, placed
from reports.pages.page import Widget
from reports.pages.widgets import (
    compared_span,
    cost_bridge,
    projects,
    renewable,
    saved_energy,
    sites_table,
    submeters,
)
from reports.pages.widgets.tile import TileInput, nothing

P = Permission


def _over(kpi: str, key: str, title: str) -> Callable[[BoardQuery], Widget]:
    def make(query: BoardQuery) -> Widget:
        named = {"key": key, "title": title}
        if len(query.sites) > 1:
            return compared_span.view(compared_sites(query.sites, kpi, query.period, query.compare, **named))
        found = span_tiles.compared(query.site, kpi, query.scope, query.period, query.compare, **named)
        return compared_span.view(found)

    return make


def _areas(query: BoardQuery) -> Widget:
    scopes = [query.scope if now is query.site else now.scope for now in query.sites]
    made = [span_tiles.by_area(now, scope, query.period) for now, scope in zip(query.sites, scopes, strict=True)]
    return compared_span.view(made[0] if len(made) == 1 else areas_of([now.site.name for now in query.sites], made))


_MODULES = [
    import_module(f"{__package__}.{each.name}")
    for each in iter_modules([str(Path(__file__).parent)])
    if each.name.endswith("_tiles")
]
# And those of each module here whose name ends so and that has TILES.
TILES: Mapping[str, Tile] = {
    **{key: tile for module in _MODULES for key, tile in getattr(module, "TILES", {}).items()},
    "eui": Tile(P.READ, _areas, True),
    "open_findings": Tile(
        P.ANOMALY_READ,
        lambda query: findings_tiles.findings_of([each.show for each in query.sites]),
    ),
    "tasks": Tile(P.ANOMALY_READ, lambda query: findings_tiles.tasks_at([each.show for each in query.sites])),
    "renewable": Tile(P.READ, lambda query: renewable.view(span_tiles.shares(query.site))),
    "submeters": Tile(P.READ, lambda query: submeters.view(span_tiles.where_it_goes(query.site))),
    "projects": Tile(P.BASELINE_READ, lambda query: projects.view(span_tiles.measures(query.sites))),
    "report_status": Tile(
        P.REPORT_READ,
        lambda query: findings_tiles.reports_of([each.show for each in query.sites]),
    ),
    "scope_use": Tile(P.READ, _over("consumption_kwh", "scope_use", "Used"), True),
    "scope_cost": Tile(P.READ, _over("cost", "scope_cost", "Cost"), True),
    "cost_year": Tile(P.READ, _over("cost", "cost_year", "Cost"), True),
    "carbon_year": Tile(P.CARBON_READ, _over("emission_kgco2e", "carbon_year", "Carbon, location-based"), True),
    "savings": Tile(P.BASELINE_READ, lambda query: saved_energy.view(span_tiles.saved(query.sites, query.period))),
    "cost_bridge": Tile(P.READ, lambda query: cost_bridge.view(why_it_changed(query.sites, query.period))),
    "savings_uses": Tile(
        P.BASELINE_READ, lambda query: saved_energy.by_use(span_tiles.saved(query.sites, query.period))
    ),
    "savings_months": Tile(
        P.BASELINE_READ, lambda query: saved_energy.by_month(span_tiles.saved_by_month(query.sites, query.period))
    ),
    "sites": Tile(P.READ, lambda query: sites_table.view(span_tiles.all_sites(query.sites, query.period))),
    "chains": Tile(P.AUDIT_READ, lambda query: audit_tiles.chains([each.show for each in query.sites])),
    "packs": Tile(P.AUDIT_READ, lambda query: audit_tiles.packs([each.show for each in query.sites])),
}


# Of spans that are over: recomputed when what they rest on is another. Of marts, readings and site files alone, or of
# what is known of uses too: of baselines and adjustments.
OF_MARTS = ("scope_use", "scope_cost", "cost_year", "carbon_year", "eui", "renewable", "submeters")
OF_USES = ("savings", "savings_uses", "savings_months", "projects", "cost_bridge", "sites")


def _kept(key: str, tile: Tile, query: BoardQuery) -> Widget:
    """The tile as it was made of the same state of things for somebody of the same rights."""
    show, sites = query.site.show, [each.site for each in query.sites]
    ctx = show.ctx
    rests = stamp_of_uses(ctx, sites) if key in OF_USES else "|".join(stamp_of(ctx, each) for each in sites)
    # The address stands in every link of the tile.
    named = (
        key,
        show.address.href(),
        query.scope,
        str(query.period),
        tuple(each.site_id for each in sites),
        *turn(ctx),
    )

    def make() -> tuple[bytes, str]:
        widget = tile.make(query)
        whys = {each: why for now in query.sites for each, why in now.show.whys.items()}
        # Not as JSON, in which a sentence would be text that no language can word.
        return pickle.dumps((widget, whys)), "application/octet-stream"

    kept = answers_of(ctx.project).get((*named, rests), make).body
    found: Widget
    found, whys = pickle.loads(kept)  # noqa: S301 - of this process's own memory
    show.whys.update(whys)
    return found


def _without(key: str, query: BoardQuery, why: str) -> Widget:
    """The tile whose mart is not there, with the sentence on it."""
    return nothing(key, key.replace("_", " ").capitalize(), TileInput(**query.site.common()), why)


def tiles_of(board: str, query: BoardQuery) -> list[Widget]:
    """The tiles of a board that the person may see and that are set up, in its order, side by side in full rows."""
    person = query.site.show.ctx.person
    # Beside a part's own numbers those of the whole site would be taken for the part's.
    is_whole = sees_whole_site(person) and not (boards()[board].is_of_part and query.is_part)
    made = [
        if_published(
            partial(_kept, key, tile, query) if key in (*OF_MARTS, *OF_USES) else partial(tile.make, query),
            partial(_without, key, query),
        )
        for key in boards()[board].tiles
        if may(person, (tile := TILES[key]).needs) and (is_whole or tile.is_of_part)
    ]
    shown = {each.key: each for each in made if each.state != "not_set_up"}
    places = placed({key: boards()[board].tiles[key] for key in shown}, boards()[board].tall)
    return [each.model_copy(update={"span": places[key][0], "is_tall": places[key][1]}) for key, each in shown.items()]
