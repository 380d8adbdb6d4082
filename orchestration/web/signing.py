"""Signatures made in the browser: the text that an act signs is handed out, and the signature over it checked.

An act that is signed is sent twice. The first time it is done up to its signature and rolled back: that text is the
answer. The second time it is done at the same instant, and stands only where its text is the one that was signed.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from assets.stores.seals import give_numbers_back
from assets.stores.sign import Signer, is_valid
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.time import parse_instant

# Fields of a form: ask, then what was signed when, and the signature over it.
ASK, SIGNATURE, SIGNED_SHA256, SIGNED_AT = "ask_to_sign", "signature", "signed_sha256", "signed_at_utc"
# Longer ago, and the person looked at something else than what is there.
FRESH = timedelta(minutes=2)


class SentSignature(Model):
    """Fields of an act that people sign where the project has keys: once ask_to_sign for its text, and once more the
    signature over it, as a page does.
    """

    ask_to_sign: str = Field(default="", max_length=10)
    signature: str = Field(default="", max_length=200)
    signed_sha256: str = Field(default="", max_length=64)
    signed_at_utc: str = Field(default="", max_length=40)


class ToBeSigned(Exception):
    """The text of an act whose signature is made elsewhere. Raised inside of the act's transaction, which it ends."""

    def __init__(self, domain: str, action: bytes) -> None:
        super().__init__(domain)
        self.domain, self.action = domain, action


class TextSigner(Signer):
    """In place of a key while the text is asked for: signs nothing, hands the text out."""

    def __init__(self, public_key: str, store: Store) -> None:
        self._public_key, self._store = public_key, store

    @property
    def public_key(self) -> str:
        """The public half of the person's key."""
        return self._public_key

    def sign(self, domain: str, message: bytes) -> str:
        """Raises ToBeSigned."""
        with self._store.begin() as connection:
            give_numbers_back(connection)
        raise ToBeSigned(domain, message)


class BrowserSigner(Signer):
    """A signature that came with a form, in place of the key that made it."""

    def __init__(self, public_key: str, form: Mapping[str, str]) -> None:
        self._public_key, self._form = public_key, form

    @property
    def public_key(self) -> str:
        """The public half of the person's key, as the people file has it now."""
        return self._public_key

    def sign(self, domain: str, message: bytes) -> str:
        """The signature of the form. Raises BadInput where it is over another text, or of another key."""
        if hashlib.sha256(message).hexdigest() != self._form.get(SIGNED_SHA256):
            raise BadInput(
                "what was signed is not what would be recorded now: something changed in between",
                reason="signed_other",
                mend="open the page again, look at what changed, and sign then",
            )
        signature = self._form.get(SIGNATURE, "")
        if not is_valid(self._public_key, domain, message, signature):
            raise BadInput(
                "the signature is not of the key that the people file names for you",
                reason="wrong_signature",
                mend="choose the key file that belongs to it; 'meterloom keys list' shows fingerprints",
            )
        return signature


def signed_at(form: Mapping[str, str], now_utc: datetime) -> datetime:
    """The instant that was signed. Raises BadInput for none, and for one too long ago or yet to come."""
    at_utc = parse_instant(form.get(SIGNED_AT, ""))
    if not timedelta() <= now_utc - at_utc <= FRESH:
        raise BadInput(
            f"a signature is good for {FRESH.seconds} s",
            reason="signed_late",
            mend="open the page again and sign again",
        )
    return at_utc


async def hand_out(request: Request, unsigned: Exception) -> Response:
    """The text to be signed, for the script of the page. Nothing was done: the record of acts does not have it."""
    assert isinstance(unsigned, ToBeSigned)  # noqa: S101 - registered for it alone
    request.state.is_rehearsal = True
    action = unsigned.action.decode()
    return JSONResponse({"domain": unsigned.domain, "action": action}, headers={"Cache-Control": "no-store"})
