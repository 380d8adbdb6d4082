"""Work that takes longer than a page may: commands of ours in a child process, a few at a time, with their answers.

A fit pulls in libraries that this process stays free of, and must not hold its threads. Who asks waits as long as an
answer may take; after that the job goes on, and is asked for by its id.
"""

import json
import os
import secrets
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from assets.stores.api_keys import REMEMBERED
from data_quality.contracts.errors import BadInput
from data_quality.contracts.sentence import Sentence
from orchestration.open_project import OpenProject
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer
from orchestration.web.request_context import Context

State = Literal["queued", "running", "done", "failed"]
# Where a job of one's own is asked for.
JOBS = "/api/v1/ems/jobs"
WAIT_S = 25.0
LONGEST_S = 600.0
# Answers of so many jobs are kept, and no more than so many wait, of one person so many.
MOST_KEPT, MOST_WAITING, MOST_OF_ONE = 100, 8, 4
_HOME = Path(__file__).resolve().parents[2]
# Beside this Python, as Dagster's and MLflow's are.
_METERLOOM = str(Path(sys.executable).with_name("meterloom"))


class BeingBuilt(Exception):
    """Data that are being built. about_s: how much longer that takes."""

    def __init__(self, job: "Job", what: str, about_s: float) -> None:
        self.message = Sentence("{0}: being built, about {1} s; the page opens by itself", what, f"{about_s:.0f}")
        super().__init__(self.message)
        self.job, self.about_s = job, about_s


class Outcome(NamedTuple):
    """Outcome of a command. result: its JSON, where it ended well or with a finding. message: its last error line."""

    exit_code: int
    result: dict[str, Any]
    message: str


@dataclass
class Job:
    """One command of one person. key: what they sent with it, so that it is begun once however often it is sent."""

    job_id: str
    person_id: str
    words: tuple[str, ...]
    asked_at_utc: datetime
    key: str = ""
    is_running: bool = False
    future: "Future[Outcome]" = field(default_factory=Future)

    @property
    def state(self) -> State:
        """State of the job."""
        if not self.future.done():
            return "running" if self.is_running else "queued"
        is_answer = self.future.exception() is None and self.future.result().exit_code in (DONE, CHECK_FAILED)
        return "done" if is_answer else "failed"

    def wait(self, seconds: float) -> Outcome | None:
        """Its outcome, or None where it takes longer."""
        try:
            return self.future.result(timeout=seconds)
        except Late:
            return None


class Work:
    """The jobs of one project in this process; a process that ends forgets them, not what they have stored."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def ask(
        self,
        words: Sequence[str],
        *,
        person_id: str,
        now_utc: datetime,
        at_once: int = 1,
        again_after: timedelta = timedelta(0),
        key: str = "",
    ) -> Job:
        """Have a command run as a person; the same one that still waits or runs is that job. Raises BadInput (busy).

        at_once: as many of its kind; two fits would share what the pages need of the machine. again_after: one that
        failed less than so long ago is that job too. key: what was begun under it within a day is that job, done or
        not. Raises BadInput (other_body) where that was something else.
        """
        with self._lock:
            if key and (same := self._sent(key, person_id, now_utc)) is not None:
                if same.words != tuple(words):
                    raise BadInput("this Idempotency-Key was sent with another body", reason="other_body")
                return same
            open_jobs = [each for each in self._jobs.values() if not each.future.done()]
            for each in self._jobs.values():
                is_held = each in open_jobs or (each.state == "failed" and now_utc < each.asked_at_utc + again_after)
                if is_held and (each.person_id, each.words) == (person_id, tuple(words)):
                    return each
            of_person = sum(each.person_id == person_id for each in open_jobs)
            if of_person >= MOST_OF_ONE or len(open_jobs) >= MOST_WAITING:
                busy = Sentence("{0} jobs wait already: ask again when one is done", MOST_WAITING)
                if of_person >= MOST_OF_ONE:
                    busy = Sentence("{0} jobs of yours wait already: ask again when one is done", of_person)
                raise BadInput(busy, reason="busy")
            job = Job(secrets.token_hex(8), person_id, tuple(words), now_utc, key)
            self._jobs[job.job_id] = job
            while len(self._jobs) > MOST_KEPT:
                self._jobs.popitem(last=False)
            if at_once not in self._pools:
                self._pools[at_once] = ThreadPoolExecutor(at_once, thread_name_prefix="work")
            job.future = self._pools[at_once].submit(self._run, job)
        return job

    def _sent(self, key: str, person_id: str, now_utc: datetime) -> Job | None:
        mine = (each for each in self._jobs.values() if (each.key, each.person_id) == (key, person_id))
        return next((each for each in mine if now_utc < each.asked_at_utc + REMEMBERED), None)

    def last(self, words: Sequence[str]) -> Job | None:
        """The newest job of that command, whoever had it run."""
        return next((each for each in reversed(self._jobs.values()) if each.words == tuple(words)), None)

    def newest(self, beginning: Sequence[str]) -> Job | None:
        """The newest job of a command that begins so, whoever had it run."""
        known = (each for each in reversed(self._jobs.values()) if each.words[: len(beginning)] == tuple(beginning))
        return next(known, None)

    def job(self, job_id: str, person_id: str) -> Job:
        """A person's own job. Raises BadInput in the same words for one that is somebody else's."""
        found = self._jobs.get(job_id)
        if found is None or found.person_id != person_id:
            raise BadInput(Sentence("there is no job {0} of yours", repr(job_id[:32])), reason="no_job")
        return found

    def _run(self, job: Job) -> Outcome:
        job.is_running = True
        words = [*job.words, "--project", self.root, "--json"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_HOME), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run(
            [_METERLOOM, *words],
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            env=environment,
            check=False,
        )
        # Warnings come before the sentence that it ended with.
        message = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "")
        result = json.loads(done.stdout) if done.returncode in (DONE, CHECK_FAILED) and done.stdout else {}
        return Outcome(done.returncode, result, message)


def work_of(project: OpenProject) -> Work:
    """The work of a project; every request of this process asks the same."""
    return project.cache.once("work", "", lambda: Work(str(project.project.root)))


def calculate(ctx: Context, site_id: str, answer: Answer) -> None:
    """Have the months that an ingestion changed calculated, in a process of its own; none where it changed nothing."""
    months = sorted(each.partition("|")[2] for file in dict(answer.result)["files"] for each in file["partitions"])
    if months:
        words = (*_words(site_id), "--period", months[-1])
        work_of(ctx.project).ask(words, person_id=ctx.person.person_id, now_utc=ctx.now_utc)


def calculation(ctx: Context, site_id: str) -> Job | None:
    """The newest calculation of a site that was begun here, whoever began it."""
    return work_of(ctx.project).newest(_words(site_id))


def _words(site_id: str) -> tuple[str, ...]:
    return ("kpis", "--site", site_id)
