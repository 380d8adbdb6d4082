"""A client of one OpenADR 3 server (VTN): OAuth2 client credentials, programmes, events, reports, its own VEN."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from assets.feeds.fetch import Patience, Question, fetch
from controls.programmes.openadr3 import Body, Notifiers, Programme, Report, Token, Topics, Ven, read_body
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.live_source import SignalSource

# A poll must not outlast the next ones: a limit is to be known within seconds.
PATIENCE = Patience(connect_s=3.0, read_s=5.0, whole_s=8.0, pauses_s=(), max_bytes=2**20)
PAGE, MOST_PAGES = 50, 20
# A report of a year of quarter hours is some 6 MB, and the server answers with all of it. Asked once: who did not hear
# the answer looks at what the server has before sending it again.
REPORTS_PATIENCE = Patience(connect_s=3.0, read_s=60.0, whole_s=60.0, pauses_s=(), max_bytes=2**26)
# A token is renewed before it ends, so that no question is refused in between.
_EARLY_S, _USUAL_S = 30.0, 300.0


class VtnClient:
    """Asks the server that the site file names, and no other: neither redirects nor addresses in answers are followed.

    secret: of the client. monotonic: seconds, for the age of the token.
    """

    def __init__(
        self,
        source: SignalSource,
        secret: str,
        *,
        patience: Patience = PATIENCE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source, self._secret, self._patience, self._monotonic = source, secret, patience, monotonic
        self._token, self._token_until_s = "", 0.0
        self._notifiers: Notifiers | None = None
        self._is_requested = False
        self._named = f"signal_sources ({source.source_id})"

    def programme(self) -> Programme:
        """The programme of the source. Raises BadInput (no_programme), Unreachable."""
        wanted = self.source.programme
        found = [read_body(Programme, each, self.source.url) for each in self._all("/programs", {})]
        for each in found:
            if each.programme_name == wanted:
                return each
        there = ", ".join(each.programme_name for each in found[:10]) or "none"
        raise BadInput(f"{self.source.url} has no programme {wanted!r}; it has {there}", reason="no_programme")

    def events(self, programme_id: str) -> list[dict[str, Any]]:
        """Bodies of the programme's events, not yet checked. Raises BadInput, Unreachable."""
        return self._all("/events", {"programID": programme_id})

    def register(self) -> str:
        """Make this virtual end node known where it is not; its id at the VTN. Raises BadInput, Unreachable."""
        name, place = self.source.ven_name, f"{self.source.url}/vens"
        known = self._all("/vens", {"venName": name})
        if not known:
            is_31 = self.notifiers() is not None
            own = Ven(ven_name=name, object_type="VEN_VEN_REQUEST" if is_31 else "VEN")
            known = [self._send("/vens", own)]
        return read_body(Ven, known[0], place).id or ""

    def report(self, report: Report) -> None:
        """Send a report. Raises BadInput, Unreachable."""
        # 3.1 took the programme out of reports: the event names it.
        is_31 = self.notifiers() is not None
        self._send("/reports", report.model_copy(update={"programme_id": None}) if is_31 else report)

    def bring_report(self, report: Report) -> str:
        """Send a report in place of the one of its name, event and resources that the server has; the server's id.

        Of a server of 3.0 it carries its programme's id. Raises as report.
        """
        is_31 = self.notifiers() is not None
        programme_id = None if is_31 else report.programme_id or self.programme().id
        known = self._same_report(report)
        path, method = (f"/reports/{known}", "PUT") if known else ("/reports", "")
        body = report.model_copy(update={"programme_id": programme_id})
        return read_body(Report, self._send(path, body, method), f"{self.source.url}{path}").id or ""

    def _same_report(self, report: Report) -> str | None:
        try:
            found = self._all("/reports", {"eventID": report.event_id, "clientName": report.client_name})
        except BadInput as fault:
            # A server may let a node write what it does not let it read; then a change is one more report.
            if fault.reason not in ("refused", "not_there"):
                raise
            return None
        mine = [read_body(Report, each, f"{self.source.url}/reports") for each in found]
        return next((each.id for each in mine if _what(each) == _what(report)), None)

    def notifiers(self) -> Notifiers | None:
        """Ways by which the VTN tells of changes; None of one of 3.0, which has no such address. Raises as report."""
        if not self._is_requested:
            try:
                body = self._fetched(Question(self.source.url, "/notifiers", {}, named=self._named))
                self._notifiers = read_body(Notifiers, body, self.source.url)
            except BadInput as fault:
                if fault.reason != "not_there":
                    raise
            self._is_requested = True
        return self._notifiers

    def event_topics(self, programme_id: str) -> tuple[str, ...]:
        """MQTT topics of the programme's events and of those for this node alone. Raises BadInput, Unreachable."""
        found = list[str]()
        for place in (f"programs/{programme_id}", f"vens/{self.register()}"):
            path = f"/notifiers/mqtt/topics/{place}/events"
            try:
                body = self._fetched(Question(self.source.url, path, {}, named=self._named))
            except BadInput as fault:
                # A server may refuse a node what is not its own (object privacy): then the other is all it hears.
                if fault.reason not in ("not_there", "refused"):
                    raise
                continue
            found += read_body(Topics, body, f"{self.source.url}{path}").wanted
        return tuple(dict.fromkeys(found))

    def _all(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        for page in range(MOST_PAGES):
            params = {**query, "skip": str(page * PAGE), "limit": str(PAGE)}
            rows = self._fetched(Question(self.source.url, path, params, named=self._named))
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise BadInput(f"{self.source.url}{path}: expected a list of objects", reason="bad_body")
            found += rows
            if len(rows) < PAGE:
                return found
        raise BadInput(f"{self.source.url}{path}: more than {PAGE * MOST_PAGES} objects", reason="too_large")

    def _send(self, path: str, body: Body, method: str = "") -> Any:
        content = body.model_dump_json(by_alias=True, exclude_none=True).encode()
        headers = {"Content-Type": "application/json"}
        return self._fetched(Question(self.source.url, path, {}, headers, content, named=self._named, method=method))

    def _fetched(self, question: Question) -> Any:
        headers = {**question.headers, "Authorization": f"Bearer {self.bearer()}"}
        try:
            return self._read(fetch(replace(question, headers=headers), patience=self._patience), question.path)
        except BadInput:
            # Whatever it was refused for, the next question brings a new token.
            self._token = ""
            raise

    def bearer(self) -> str:
        """The token that stands for this client now. Raises BadInput, Unreachable."""
        if self._token and self._monotonic() < self._token_until_s:
            return self._token
        base, path = (self.source.token_url, "") if self.source.token_url else (self.source.url, "/auth/token")
        form = {"grant_type": "client_credentials", "client_id": self.source.client_id, "client_secret": self._secret}
        form |= {"scope": self.source.scope} if self.source.scope else {}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode()
        answer = fetch(Question(base, path, {}, headers, body, named=self._named), patience=self._patience)
        token = read_body(Token, self._read(answer, "/auth/token"), base)
        lasts_s = max((token.expires_in or _USUAL_S) - _EARLY_S, 1.0)
        self._token, self._token_until_s = token.access_token, self._monotonic() + lasts_s
        return self._token

    def _read(self, answer: bytes, path: str) -> Any:
        try:
            return json.loads(answer)
        except (ValueError, RecursionError) as fault:
            raise BadInput(f"{self.source.url}{path}: the answer is no JSON", reason="bad_body") from fault


def _what(report: Report) -> tuple[str, str | None, list[str]]:
    """By what two reports of a node are the same one."""
    return report.event_id, report.report_name, [each.resource_name for each in report.resources]
