"""Proof of a restored project: lake files as written, chains whole, figures computed again, sites in SIMULATION."""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from assets.stores.backup.bring_back import Problem
from assets.stores.erasure.record import meter_erasures
from assets.stores.lake.lake_ledger import note_progress
from assets.stores.transactions import Store
from controls.ledger.ledger_trust import chained_sites, distrusted
from controls.ledger.modes import simulate_only
from data_quality.contracts.errors import MeterloomError, OurFault
from data_quality.contracts.time import Clock
from orchestration.open_project import OpenProject
from reports.figures.trace import TraceReport, trace_figure

Progress = Callable[[str, int, int | None], object]


class Proof(NamedTuple):
    """Result of a restoration. chains: how many were followed. checked, equal: figures that were computed again, of
    those stored. mode: the highest of any site.
    """

    chains: int
    checked: int
    equal: int
    stored: int
    mode: str
    problems: tuple[Problem, ...]

    @property
    def is_whole(self) -> bool:
        """Whether no problem was found."""
        return not self.problems


def prove(
    opened: OpenProject,
    problems: Sequence[Problem],
    *,
    sample: int | None,
    seed: int,
    clock: Clock,
    progress: Progress,
) -> Proof:
    """Prove a restored project, and lower its sites to SIMULATION.

    problems: what writing its files met. sample: figures to compute again, chosen by `seed`; None: all.
    """
    found = list(problems)
    progress("following the chains", 0, None)
    chains, broken = _chains(opened)
    found += broken
    lost = {each.file for each in problems}
    for site_id in sorted(opened.lake.known_sources()):
        damage = opened.lake.damage(site_id)
        found += [Problem(f"lake/{each.path}", each.fault) for each in damage if f"lake/{each.path}" not in lost]
    ids = opened.reports.figure_ids()
    stored = len(ids)
    ids = some_of(ids, sample, seed=seed)
    equal, differing = recompute_figures(opened, ids, progress)
    found += differing
    mode = simulate_only(opened.store, reason="restored from a backup", clock=clock)
    if not opened.project.settings.paths.lake:
        # How far this ledger has come by now. Of a bucket another project may be the owner: a person adopts it.
        note_progress(opened.store, opened.lake.kept)
    return Proof(chains, len(ids), equal, stored, mode.name, tuple(found))


def _chains(opened: OpenProject) -> tuple[int, list[Problem]]:
    """Number of chains, and their breaks: seals, commands and figures of each site, anchors."""
    anchors = opened.project.anchors_dir
    found = [Problem("store", each) for each in distrusted(opened.store, anchors)]
    sites = sorted({each.site_id for each in opened.reports.revisions(with_content=False)})
    links = {site_id: opened.reports.broken_link(site_id) for site_id in sites}
    found += [
        Problem("store", f"figure {each} of {site} is not as it was stored") for site, each in links.items() if each
    ]
    held = () if opened.store.anchors is None else opened.store.anchors.places
    places = sum(place.file.exists() for place in held)
    return 1 + places + len(chained_sites(opened.store, anchors)) + len(sites), found


def some_of(ids: list[str], sample: int | None, *, seed: int) -> list[str]:
    """So many of the figures, chosen by the seed; None: all."""
    if sample is None or sample >= len(ids):
        return ids
    return random.Random(seed).sample(ids, sample)  # noqa: S311 - a choice to look at, no secret


def erasure_notes(store: Store, traced: TraceReport) -> list[str]:
    """Sentences about meters whose readings were erased after the figure was made, of the sites that it rests on."""
    sites = {each.id.split("/")[0] for each in traced.inputs if each.kind == "lake"}
    made_utc = traced.figure.trace.as_of_utc
    return [
        f"readings of {row['subject']} were erased on {row['recorded_at_utc']:%Y-%m-%d} by {row['person_id']}"
        for row in meter_erasures(store, sites) if row["recorded_at_utc"] > made_utc
    ]  # fmt: skip


def recompute_figures(opened: OpenProject, ids: Sequence[str], progress: Progress) -> tuple[int, list[Problem]]:
    """Number of figures that are the same when they are computed again, and those that are not."""
    equal, found = 0, list[Problem]()
    if not ids:
        return 0, []
    sources = opened.sources()
    for number, figure_id in enumerate(ids):
        progress("computing figures again", number, len(ids))
        try:
            traced = trace_figure(figure_id, reports=opened.reports, sources=sources)
        except OurFault:
            raise
        except MeterloomError as fault:
            found.append(Problem(f"figure {figure_id}", str(fault)))
            continue
        equal += bool(traced.is_equal)
        # What it was made of was erased since: the figure stands, and nobody can make it again.
        if not traced.is_equal and not erasure_notes(opened.store, traced):
            found.append(
                Problem(f"figure {figure_id}", f"computed again it is {traced.recomputed}, not {traced.figure.value}")
            )
    return equal, found
