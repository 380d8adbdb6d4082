"""`meterloom check`: every mistake of the configuration with file, line, column and mend."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from assets.sites.load_sites import load_people, load_site, load_sites
from assets.sites.placeholders import placeholders
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import SETTINGS_FILE, Project, load_project
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import BadConfiguration, Problem, load_yaml, place_of, problems_of
from orchestration.operations.answer import BAD_INPUT, DONE, Answer
from orchestration.operations.operation import PROJECT, Call, Option, operation


def configuration_problems(call: Call) -> list[Problem]:
    """Problems of settings, people and every site file; empty when all is well."""
    if not (call.folder / SETTINGS_FILE).exists():
        call.project  # noqa: B018  raises the sentence about a missing project
    try:
        project = load_project(call.folder, os.environ)
    except BadConfiguration as fault:
        # Where other files are is not known now: those at the template's places are told at once with it.
        people = call.folder / "people.yaml"
        found = [each for path in _site_files(call.folder / "sites") for each in problems_in(path, call)]
        return [*fault.problems, *found, *(problems_in(people, call, is_people=True) if people.exists() else [])]
    site_files = _site_files(project.sites_dir)
    none = Problem(file=str(project.sites_dir), line=0, column=0, message="no site file here")
    found = [each for path in site_files for each in problems_in(path, call)] if site_files else [none]
    found += problems_in(project.people_file, call, is_people=True) + _organisation_problems(project)
    return found or _yearly_problems(call)


def _yearly_problems(call: Call) -> list[Problem]:
    """Problems of what the settings state to be made each year."""
    if not call.places.settings.report.packs:
        return []
    from orchestration.views.pack_subjects import yearly_packs

    try:
        yearly_packs(call.project)
    except BadInput as fault:
        return problems_of(fault)
    return []


def _organisation_problems(project: Project) -> list[Problem]:
    """Problems of the organisation file where there is one; its sites must be of this project."""
    from assets.sites.organisation import load_organisation

    path = project.organisation_file
    if not path.exists():
        return []
    known = dict[str, Site]()
    # What is wrong with a site file is told as its own.
    with suppress(BadInput):
        known = load_sites(project.sites_dir)
    try:
        found = load_organisation(path, sites=known)
    except BadInput as fault:
        return problems_of(fault)
    if not known:
        return []
    document = load_yaml(path)
    return [
        Problem(
            file=str(path),
            line=(place := place_of(document, ("sites", at, "site")))[0],
            column=place[1],
            message=f"site {each.site!r} is not of this project; it has {', '.join(known)}",
        )
        for at, each in enumerate(found.sites)
        if each.site not in known
    ]


def _site_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml"))


def problems_in(path: Path, call: Call, *, is_people: bool = False) -> list[Problem]:
    """Problems of one site file, or of the people file."""
    try:
        if is_people:
            from reports.pages.board import expect_boards

            expect_boards(load_people(path), path)
            return []
        site = load_site(path)
        return _device_problems(path, site, call) if site.assets or site.sources else []
    except BadInput as fault:
        params = list[Problem]()
        # No YAML has no params, and is a problem already. Else all mistakes are shown at once.
        with suppress(BadInput):
            if not is_people:
                from controls.planning.asset_params import param_problems

                params = param_problems(load_yaml(path), str(path))
        return sorted([*problems_of(fault), *params], key=lambda each: (each.line, each.column))


def _device_problems(path: Path, site: Site, call: Call) -> list[Problem]:
    # It knows every kind of device, which a site without one need not load.
    from controls.planning.asset_params import asset_problems, source_problems

    document = load_yaml(path)
    found = asset_problems(document, site, str(path), now_utc=call.clock.now_utc())
    return found + source_problems(document, site, str(path))


def configuration_placeholders(call: Call) -> list[Problem]:
    """Placeholders of the template left in the people file and the site files, with line and what to put there."""
    project = load_project(call.folder, os.environ)
    return [
        each for path in [*sorted(project.sites_dir.glob("*.yaml")), project.people_file] for each in placeholders(path)
    ]


@operation("check", takes=PROJECT, example="--deep")
def check(
    call: Call,
    deep: Annotated[bool, Option("Also call broker, devices and database.")] = False,
) -> Answer:
    """Check settings, people and site files; what is still of the template is named, and is no mistake."""
    problems = configuration_problems(call)
    if deep and not problems:
        # It speaks MQTT, which a check of files need not load.
        from orchestration.doctor.kept_checks import reachability

        problems = [
            Problem(file="", line=0, column=0, message=f"{c['name']}: {c['detail']}", mend=c["mend"])
            for c in reachability(call.project.project)
            if c["status"] == "fail"
        ]
    waiting = configuration_placeholders(call) if not problems else []
    lines = [
        f"{p.file}:{p.line}:{p.column}: {p.message}{f' ({p.mend})' if p.mend else ''}" for p in [*problems, *waiting]
    ]
    summary = [] if problems else ["no problems found" + (f", {len(waiting)} to fill in" if waiting else "")]
    return Answer(
        {"problems": problems, "placeholders": waiting},
        text="\n".join([*lines, *summary]),
        exit_code=BAD_INPUT if problems else DONE,
    )
