"""`meterloom quarantine`: refused files and rows, why, and another try."""

from typing import Annotated, Any

import typer

from assets.readings.ingest import ingest_file
from orchestration.cli.frame import BAD_INPUT, DONE, Answer, Call, command
from orchestration.cli.sniff import MapOption, column_map, report_lines


def shown(item: dict[str, Any]) -> list[str]:
    """One item as a row for people."""
    where = f"{item['source_name']}:{item['line']}" if item["line"] else item["source_name"]
    return [item["item_id"][:12], item["site_id"], item["kind"], where, item["reason"], item["message"]]


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Refused files and rows.", no_args_is_help=True)
    app.add_typer(group, name="quarantine")

    @command(group, "list", example="meterloom quarantine list --site my_site")
    def quarantine_list(
        call: Call, site: Annotated[str | None, typer.Option("--site", help="Only this site.")] = None
    ) -> Answer:
        """List what was refused, with reason."""
        items = call.project.quarantine.items(site, as_of_utc=call.as_of_utc)
        counts = call.project.quarantine.counts(site, as_of_utc=call.as_of_utc)
        return Answer(
            data={"items": items, "reasons": counts},
            columns=["id", "site", "kind", "where", "reason", "message"],
            rows=[shown(item) for item in items],
            text="" if items else "quarantine is empty",
        )

    @command(group, "show", example="meterloom quarantine show 4f1c2ab09d3e")
    def quarantine_show(call: Call, item_id: Annotated[str, typer.Argument(metavar="ID")]) -> Answer:
        """Show one item whole."""
        item = call.project.quarantine.show(full_id(call, item_id))
        return Answer(data={"items": [item]}, text="\n".join(f"{key}: {value}" for key, value in item.items()))

    @command(group, "retry", example="meterloom quarantine retry 4f1c2ab09d3e --map map.yaml")
    def quarantine_retry(
        call: Call, item_id: Annotated[str, typer.Argument(metavar="ID")], mapping: MapOption = None
    ) -> Answer:
        """Read the kept file again, after the site file or a column map was mended."""
        store = call.project.quarantine
        item = store.show(full_id(call, item_id))
        report = ingest_file(
            store.root / item["kept_path"],
            site=call.project.site(item["site_id"]),
            lake=call.project.lake,
            quarantine=store,
            clock=call.clock,
            mapping=column_map(mapping),
        )
        return Answer(
            data={"items": [item], "files": [report.model_dump(mode="json")]},
            text=report_lines(report),
            exit_code=BAD_INPUT if report.verdict == "reject" else DONE,
        )


def full_id(call: Call, prefix: str) -> str:
    """The one item id that starts with the prefix; the prefix itself where none or several do."""
    found = {item["item_id"] for item in call.project.quarantine.items() if item["item_id"].startswith(prefix)}
    return found.pop() if len(found) == 1 else prefix
