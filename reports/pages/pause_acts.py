"""Pause of a site's plan: its sentence, and the acts that pause and resume it."""

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.device_acts import SPANS, Actor, signed
from reports.pages.devices import MODE_WORDS, PATH
from reports.pages.page import Act, Form, Input
from reports.pages.page_states import NO_KEY
from reports.texts.locales import named


class PauseNow(Model):
    """Pause of a site in force, and who looks at it; actor None: nobody who may act.

    until: of the one that holds, by the site's clock; empty: none. devices: those that take commands. place: the board
    that forms lead back to; empty: the devices.
    """

    until: str = ""
    who: str = ""
    reason: str = ""
    devices: tuple[str, ...] = ()
    mode: str = ""
    is_sent: bool = False
    actor: Actor | None = None
    place: str = ""


def pause_text(now: PauseNow) -> Text:
    """Until when the plan is paused, by whom and why; empty where it is not."""
    return (
        Sentence("Plan paused until {0} by {1}: {2}", now.until, named(now.who), named(now.reason)) if now.until else ""
    )


def pause_acts(now: PauseNow, address: Address) -> tuple[Act, ...]:
    """Pause the plan, or resume it; none to who may not, nor where no device takes commands."""
    if now.actor is None or not now.actor.may_override or not now.devices:
        return ()
    return (_resume(now, now.actor, address) if now.until else _pause(now, now.actor, address),)


def _pause(now: PauseNow, actor: Actor, address: Address) -> Act:
    fields = (
        Input(name="for", label="For how long", kind="select", options=SPANS, value="2h"),
        Input(name="reason", label="Reason", is_required=True),
    )
    sent: Text = Sentence("No command of the plan reaches them. Each keeps its own control.")
    if not now.is_sent:
        sent = Sentence("Mode {0}: nothing is sent now either.", Sentence(MODE_WORDS.get(now.mode, now.mode)))
    return Act(
        label="Pause plan", question="Pause the plan?", about=", ".join(now.devices),
        facts=(("Meanwhile", sent), ("Ends", "By itself at its end, or with Resume plan.")),
        form=_form("Pause plan", "pause", fields, now, actor, address), icon="clock",
        note="It is recorded with your name. To stop control at once, use Stop control on Plan and devices.",
    )  # fmt: skip


def _resume(now: PauseNow, actor: Actor, address: Address) -> Act:
    fields = (
        Input(name="end", label="", kind="hidden", value="1"),
        Input(name="reason", label="Reason", value="back to plan", is_required=True),
    )
    form = _form("Resume plan", "resume", fields, now, actor, address)
    shown = signed(form, f"dispatch override --give-back --site {address.site}", actor)
    facts: tuple[tuple[Text, Text], ...] = (
        ("Now", pause_text(now)),
        ("After this", "Commands of the plan are sent again."),
    )
    return Act(
        label="Resume plan", question="Resume the plan now?", about=", ".join(now.devices), facts=facts,
        form=shown if isinstance(shown, Form) else None, icon="calendar-clock", is_first=True,
        note="It is recorded with your name." if isinstance(shown, Form) else Sentence(NO_KEY, named(actor.person_id)),
    )  # fmt: skip


def _form(
    title: str, key: str, fields: tuple[Input, ...], now: PauseNow, actor: Actor, address: Address
) -> Form:  # fmt: skip
    hidden = (("seen", actor.seen), ("from", now.place))
    kept = tuple(Input(name=name, label="", kind="hidden", value=value) for name, value in hidden if value)
    action = address.href(f"{PATH}/pause", site=address.site, scope=None, period=None, as_of=None)
    return Form(key=f"plan-{key}", title=title, action=action, method="post", fields=(*kept, *fields), submit=title)
