"""Keys with which machines read and push: whose, for what, until when; a new one, and the end of one."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from data_quality.contracts.access.api_key import ApiKey
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.page import REASON, Form, Input, Page, PageBlock, Part
from reports.report_content import Cell, Paragraph, table
from reports.texts.locales import long_date, moment, named

PATH = "/keys"
DAYS = ("30", "90", "180", "366")


class ListedKey(NamedTuple):
    """One key. state: good, expired or revoked; used_utc: when it last brought or read something."""

    key: ApiKey
    owner: str
    state: str
    used_utc: datetime | None


def keys_page(
    keys: Sequence[ListedKey], address: Address, *, make: PageBlock, made: tuple[ApiKey, str] | None = None
) -> Page:
    """The list and its acts. make: the form of a new key, or why there is none. made: a new key and its text."""
    parts = [Part(key="keys", blocks=(_table(keys, address.locale), Paragraph(text=_NOTE, tone="muted")))]
    if made is not None:
        parts.insert(0, Part(key="made", blocks=_made(*made, address.locale)))
    good = [each for each in keys if each.state == "good"]
    parts.append(Part(key="acts", title="Access", blocks=(make, *([_revoke(good, address)] if good else []))))
    return Page(title="API keys", address=address, parts=tuple(parts), chips={"keys": 6},
                links=(("Profile", "/profile"),))  # fmt: skip


_NOTE = "A key may read what its owner may, at the sites that it names; it approves, publishes and sets nothing."


def make_form(
    address: Address, *, sites: Sequence[tuple[str, str]], scopes: Sequence[tuple[str, str]], chance: str
) -> Form:
    """The form of a new key. chance: from which its secret is made."""
    fields = (
        Input(name="chance", kind="hidden", value=chance),
        Input(name="name", label="For what", is_required=True, hint="such as the machine that will hold it"),
        Input(name="site", label="Site", kind="select", options=tuple(sites), is_required=True),
        Input(name="scope", label="It may", kind="select", options=tuple(scopes), is_required=True),
        Input(name="days", label="Valid for, days", kind="select", value="90",
              options=tuple((each, each) for each in DAYS), is_required=True),
    )  # fmt: skip
    return Form(
        key="make", title="New API key", action=address.href(f"{PATH}/issue"), fields=fields, submit="Make API key",
        note="The key is shown once.", is_answered=True,
    )  # fmt: skip


def _revoke(good: Sequence[ListedKey], address: Address) -> Form:
    options = tuple((each.key.key_id, f"{each.key.name} ({each.key.key_id})") for each in good)
    fields = (Input(name="key", label="Key", kind="select", options=options, is_required=True), REASON)
    note = "It gives no access from now on. It cannot be undone."
    return Form(title="Revoke API key", action=address.href(f"{PATH}/revoke"), fields=fields, note=note)


def _made(key: ApiKey, text: str, locale: str) -> tuple[PageBlock, ...]:
    pattern = "{0}, until {1}: copy this key now. It is not shown again."
    notice = Paragraph(text=Sentence(pattern, named(key.name), long_date(key.expires_utc, locale)), tone="caution")
    use = Paragraph(text="Send it as 'Authorization: Bearer KEY', never in an address.", tone="muted")
    return notice, Paragraph(text=named(text)), use


def _table(keys: Sequence[ListedKey], locale: str) -> PageBlock:
    columns = ("Name", "Key", "Owner", "Sites", "It may", "Expires", "State", "Last used")
    return table("keys", "API keys", columns, [_row(each, locale) for each in keys])


def _row(listed: ListedKey, locale: str) -> tuple[Cell | Text, ...]:
    key, used = listed.key, listed.used_utc
    return (
        named(key.name), named(key.key_id), named(listed.owner), named(", ".join(key.sites)),
        named(", ".join(each.value for each in key.scopes)), long_date(key.expires_utc, locale),
        Cell(text=listed.state, tone="plain" if listed.state == "good" else "muted"),
        Cell(text="never" if used is None else f"{moment(used, locale)} UTC", tone="plain" if used else "muted"),
    )  # fmt: skip
