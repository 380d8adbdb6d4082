"""The marts that a command prints: made fresh, or built as they would have been at --as-of."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from data_quality.contracts.site_file.site import Site
from orchestration.cli.frame import Call


@contextmanager
def marts_then(call: Call, sites: Sequence[Site], name: str) -> Iterator[tuple[Path, datetime]]:
    """Folder of the marts and the instant that they are as known at. name: of the sites, for the progress line."""
    if call.as_of_utc is None:
        call.doing(f"{name}: looking for what changed", is_brief=True)
        from orchestration.warehouse.fresh import freshen_marts

        freshen_marts(call.project, clock=call.clock, doing=call.doing)
        # After the marts were made: their instant must not lie before what they hold.
        yield call.project.project.marts_dir, call.project.reports.known_at(call.clock)
        return
    from orchestration.warehouse.marts_as_of import marts_as_of

    call.doing(f"building the marts of {name} as known at {call.as_of_utc:%Y-%m-%d %H:%M:%S}Z")
    with marts_as_of(call.project, sites, call.as_of_utc) as marts_dir:
        yield marts_dir, call.as_of_utc
