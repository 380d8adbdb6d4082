"""/profile/notices: a person's channels, quiet hours and limit for notices of findings, and the newest notices."""

from typing import get_args

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.ledgers.notices import Outbox
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.notice import CHANNELS, Channel, Contact, NoticeChoices
from data_quality.contracts.reporting.open_finding import SEVERITY_WORDS, Severity
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.settings import Settings
from orchestration.notices.choices import choices_of, choose, is_set, may_be_notified
from orchestration.web.draw import draw
from orchestration.web.request_context import Context, requires
from reports.pages.page import Form, Input, Page, PageBlock, Part
from reports.report_content import Paragraph, table
from reports.texts.locales import named

router = APIRouter(include_in_schema=False)
PATH = "/profile/notices"
_SHARED = ("locale",)
_LABELS: dict[Channel, str] = {
    "mail": "Mail", "push": "Push topic", "webhook": "Webhook URL", "mqtt": "MQTT name", "folder": "Folder",
}  # fmt: skip
_HINT = "Several with commas between them; empty: none."
_NEWEST = 20


@router.get(PATH, response_class=HTMLResponse)
def notices(ctx: Context = requires(None, shared=_SHARED)) -> Response:
    """Notice settings of the person, and the newest notices."""
    parts = [Part(key="notices", blocks=_chosen(ctx))]
    found = Outbox(ctx.project.store).notices(person_id=ctx.person.person_id, most=_NEWEST)
    if found:
        rows = ((each.channel, Sentence(each.state), named(each.text), named(each.reason)) for each in found)
        newest = table("newest", "Newest notices", ("Channel", "State", "Notice", "Reason"), rows)
        parts.append(Part(key="newest", title="Newest notices", blocks=(newest,)))
    return draw(ctx, Page(title="Notices", address=ctx.address, parts=tuple(parts), links=(("Profile", "/profile"),)))


@router.post(PATH)
def keep(ctx: Context = requires(None, shared=_SHARED)) -> Response:
    """Keep the person's choices. Raises BadInput for an address, a time or a number that cannot be."""
    form, before = ctx.form, choices_of(ctx.project.store, ctx.person.person_id)
    sources = before.ways[0].sources if before.ways else ()
    try:
        severity = form.get("severity", "3")
        ways = tuple(
            Contact.model_validate(
                {"channel": name, "address": each, "from_severity": int(severity), "sources": sources}
            )
            for name in CHANNELS
            for each in form.get(name, "").replace(",", " ").split()
        )
        quiet = {"start": form.get("quiet_from", ""), "end": form.get("quiet_to", "")}
        choices = NoticeChoices(
            ways=ways,
            quiet=quiet if any(quiet.values()) else None,
            per_hour=int(form.get("per_hour") or 20),
            locale=ctx.address.locale,
        )
    except (ValidationError, ValueError) as fault:
        raise BadInput(
            "expected addresses without spaces, times such as 22:00 and 06:00, and a number of notices from 1 to 1000",
            reason="bad_request",
        ) from fault
    choose(ctx.project.store, ctx.person, choices, ctx.project.project.settings)
    return RedirectResponse(PATH, 303)


def _chosen(ctx: Context) -> tuple[PageBlock, ...]:
    if not may_be_notified(ctx.person):
        return (Paragraph(text="Your roles see no findings, so there are no notices."),)
    chosen, settings = choices_of(ctx.project.store, ctx.person.person_id), ctx.project.project.settings
    severity = chosen.ways[0].from_severity if chosen.ways else 3
    levels = tuple((str(each), SEVERITY_WORDS[each]) for each in get_args(Severity))
    quiet = chosen.quiet
    fields = (
        *(_addresses(name, chosen) for name in CHANNELS if _is_offered(name, chosen, settings)),
        Input(name="severity", label="Minimum severity", kind="select", value=str(severity), options=levels),
        Input(
            name="quiet_from", label="Quiet from", value=f"{quiet.start:%H:%M}" if quiet else "", hint="Such as 22:00"
        ),
        Input(name="quiet_to", label="Quiet until", value=f"{quiet.end:%H:%M}" if quiet else "", hint="Such as 06:00"),
        Input(name="per_hour", label="Notices per hour, at most", kind="number", value=str(chosen.per_hour)),
    )
    form = Form(
        title="Notices of findings", action=PATH, fields=fields, submit="Keep",
        note="Critical findings pass the quiet hours. What is over the limit comes as one digest.",
    )  # fmt: skip
    return (form,)


def _is_offered(name: Channel, chosen: NoticeChoices, settings: Settings) -> bool:
    """A channel that leads somewhere, or that the person has; a folder is chosen in the shell."""
    return any(each.channel == name for each in chosen.ways) or (name != "folder" and is_set(name, settings))


def _addresses(name: Channel, chosen: NoticeChoices) -> Input:
    mine = ", ".join(each.address for each in chosen.ways if each.channel == name)
    return Input(name=name, label=_LABELS[name], value=mine, hint=_HINT)
