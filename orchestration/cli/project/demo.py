"""`meterloom demo`: the main job on the demo sites."""

from pathlib import Path
from typing import Annotated, Any

from orchestration.operations.answer import CHECK_FAILED, DONE, Answer
from orchestration.operations.operation import STATELESS, Call, Option, operation
from orchestration.operations.options import day_or_none


@operation("demo", takes=STATELESS, example="--out demo")
def demo(
    call: Call,
    out: Annotated[Path, Option("Project folder to make.")] = Path("demo"),
    until: Annotated[str | None, Option("Day after the last readings (today); 2026-01-01: as shipped.")] = None,
    quick: Annotated[bool, Option("One quarter and a shorter history.")] = False,
    year: Annotated[bool, Option("A year of the home, so that what-if answers there; slower.")] = False,
    full: Annotated[
        bool, Option("All packs of data points, of all sites, in two languages; a year of the home.")
    ] = False,
    files_only: Annotated[bool, Option("Make the project and its landing files; run nothing.")] = False,
) -> Answer:
    """Run the whole line: meter files, KPIs, baselines, forecasts, reports, a plan and a proven command."""
    call.doing("loading Dagster and the models")
    from controls.simulator.worlds.anchor import check_until, demo_day
    from controls.simulator.worlds.tower_files import write_delivery
    from orchestration.demonstration.demo_job import make_demo_project, run_demo, simulate

    now_utc = call.clock.now_utc()
    end = day_or_none(until, "--until") or demo_day(now_utc)
    check_until(end, now_utc)
    if files_only:
        project = make_demo_project(out, until=end)
        delivery = simulate(project, call.clock, until=end, quick=quick, year=year)
        write_delivery(project.project.landing_dir / "tower", delivery.afterwards())
        url = project.project.settings.server.web_url
        made = {"artifacts": [], "runs": [], "path": out, "until": end.isoformat(), "pages_url": url}
        return Answer(made, text=f"made {out}\n{signing_in(url, out)}")

    def say(text: str) -> None:
        call.say(text)
        call.doing("working", is_brief=True)

    # Of 70 days none may lie in the last full year.
    found = run_demo(out, until=end, say=say, clock=call.clock, quick=quick, year=year or full, full=full)
    # A demo that cannot prove its figures and its commands has failed, whatever files it wrote.
    is_green = all(f["is_equal"] for f in found["figures"]) and any(
        c["state"] in ("VERIFIED", "COMPLETED") for c in found["commands"]
    )
    return Answer(found, text=demo_text(found, out), exit_code=DONE if is_green else CHECK_FAILED)


def demo_text(found: dict[str, Any], out: Path) -> str:
    """The demo's result for people."""
    lines = ["", "Artefacts"]
    lines += [f"  {each['kind']:5} {each['path']}" for each in found["artifacts"]]
    lines += ["", "Figures, recomputed from their trace"]
    for figure in found["figures"]:
        mark = "equal" if figure["is_equal"] else "DIFFERS"
        lines.append(
            f"  {figure['figure_id']}  {figure['label']}: {float(figure['value']):,.3f} {figure['unit']}, {mark}"
        )
    lines += ["", "Commands to the simulated home"]
    for order in found["commands"]:
        proof = order["evidence"][0].get("means", "-") if order["evidence"] else "-"
        value = f"{order['value']:+.3f} {order['unit']}"
        lines.append(f"  {order['device']:8} {order['capability']:20} {value:>11}  {order['state']} ({proof})")
    late, refused = found["late"], found["quarantine"]
    lines += ["", f"Late files of the tower: {late['figures_changed']} monthly figures changed"]
    lines += [
        f"  {each['name']:32} {each['new_rows']:>7,} quarter hours new, {each['corrected_rows']:>6,} corrected"
        for each in late["files"]
    ]
    lines += ["", f"{len(refused)} files in quarantine, whole or some rows: meterloom quarantine list --project {out}"]
    lines += [f"  {name}" for name in refused]
    first = found["figures"][0]["figure_id"] if found["figures"] else "FIGURE"
    lines += [
        "",
        f"Next: meterloom trace {first} --rows --project {out}",
        f"      meterloom up --project {out}     (Dagster UI, MLflow UI, live home and factory)",
        signing_in(found["pages_url"], out),
    ]
    return "\n".join(lines)


def signing_in(pages_url: str, out: Path) -> str:
    """Address of the pages, and the commands that start them and invite a person."""
    up, invite = f"meterloom up --project {out}", f"meterloom web invite PERSON --project {out}"
    return f"Pages: {pages_url} while {up} runs; it prints a link to sign in with, and {invite} another"
