"""Tasks on a Dask cluster that somebody else keeps: an address, and certificates where it is not this machine's."""

import ipaddress
import logging
import os
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.model import Model
from data_quality.contracts.settings import WorkSettings
from data_quality.contracts.work.work_port import Result, task_finding
from orchestration.workers.worker_side import code_fingerprint, other_code, run

if TYPE_CHECKING:
    from distributed import Client, Future, Security

CONNECT_S = 15.0
# A scheduler that is there says what it knows at once; what it says no more is asked for again.
ANSWER_S = 5.0
# Faults that pass, such as an empty memory; our own faults too, which then break again.
RETRIES = 2
# How often a result may be lost with its scheduler before its task is given up.
LOSSES = 3
# Tasks that wait at the scheduler for each worker: enough that none is idle while the caller writes.
AHEAD = 2
_PARTS = ("scheduler", "worker", "client")


def on_dask(name: str, tasks: Sequence[Model], *, settings: WorkSettings) -> Iterator[tuple[int, Result[Any]]]:
    """Place and result of each task as it is done. Raises Unreachable where nobody answers, or nobody that may work."""
    with_client = _Dask(name, tasks, settings)
    try:
        yield from with_client.results()
    finally:
        with_client.close()


def resource_of(fingerprint: str) -> str:
    """Dask resource of this code: a worker offers one, a task takes one, so that workers of other code get none."""
    return f"meterloom-{fingerprint[:12]}"


def security_of(settings: WorkSettings) -> "Security | None":
    """The certificates of both sides. Raises BadInput where others could read, or be, a worker."""
    scheme, _, rest = settings.address.rpartition("://")
    host = rest.rpartition(":")[0].strip("[]")
    if not host:
        raise BadInput(
            f"work.address names no scheduler: {settings.address!r}",
            reason="no_work_address",
            mend="set it to tls://HOST:PORT, or work.backend to serial or pool",
        )
    if scheme == "tls":
        from distributed import Security

        mine = (settings.ca_file, settings.certificate_file, settings.key_file)
        if not all(mine):
            raise BadInput(
                "tls:// of work.address asks for ca_file, certificate_file and key_file under work",
                reason="no_certificate",
            )
        # One certificate a machine, whatever part it plays.
        ends = {f"tls_{part}_{end}": file for part in _PARTS for end, file in (("cert", mine[1]), ("key", mine[2]))}
        return Security(tls_ca_file=mine[0], require_encryption=True, **ends)
    # Whoever answers there is sent code to run and sends back what we believe.
    if not _is_near(host):
        raise BadInput(
            f"{settings.address} reaches beyond this machine, where workers are asked over tls:// alone",
            reason="no_certificate",
            mend="name ca_file, certificate_file and key_file under work, and tls:// in work.address",
        )
    return None


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Dask:
    """One call's tasks at a scheduler. lost: how often a task's result went away with the scheduler.

    suspects: tasks whose worker was killed again and again while others lay there too, which Dask all blames. Each is
    done once more with nothing beside it (alone); who kills its worker then is known.
    """

    def __init__(self, name: str, tasks: Sequence[Model], settings: WorkSettings) -> None:
        self.name, self.tasks, self.settings = name, tasks, settings
        self.fingerprint = code_fingerprint()
        self.needs = {resource_of(self.fingerprint): 1}
        # Of this call alone: the same tasks of another caller are other work to Dask.
        self.call = uuid.uuid4().hex
        self.waiting, self.flying = deque(range(len(tasks))), dict["Future", int]()
        self.lost: Counter[int] = Counter()
        self.suspects, self.alone = deque[int](), set[int]()
        self.client = self._connect()

    def close(self) -> None:
        """Leave the scheduler, which forgets what nobody waits for any more."""
        with suppress(Exception):  # it may be gone itself
            self.client.close(timeout=2)

    def _connect(self) -> "Client":
        # Its own log lines would stand between ours; what matters is raised.
        os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")
        try:
            from distributed import Client
        except ImportError as error:
            raise BadInput(
                "work.backend is dask, and distributed is not installed",
                reason="no_distributed",
                mend="install meterloom with the extra scale",
            ) from error
        for part in ("distributed", "distributed.client"):
            logging.getLogger(part).setLevel(logging.CRITICAL)
        try:
            return Client(
                self.settings.address,
                timeout=CONNECT_S,
                security=security_of(self.settings),
                set_as_default=False,
                direct_to_workers=False,
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise Unreachable(
                f"no Dask scheduler answers at {self.settings.address} (work.address); start one with "
                "'meterloom up --workers N', or set work.backend to serial or pool"
            ) from error

    def results(self) -> Iterator[tuple[int, Result[Any]]]:
        """See `on_dask`."""
        seen_s = time.monotonic()
        while self.waiting or self.flying or self.suspects:
            workers = self._workers()
            if workers:
                seen_s = time.monotonic()
                if self.suspects and not self.waiting and not self.flying:
                    self.waiting.append(self.suspects.popleft())
                    self.alone.update(self.waiting)
                while self.waiting and len(self.flying) < workers * (1 + AHEAD):
                    place = self.waiting.popleft()
                    future = self.client.submit(
                        run,
                        self.name,
                        self.tasks[place],
                        self.fingerprint,
                        key=f"meterloom-{self.call}-{place}-{self.lost[place]}{'-alone' * (place in self.alone)}",
                        pure=False,
                        retries=RETRIES,
                        resources=self.needs,
                    )
                    self.flying[future] = place
                yield from self._ready()
            elif time.monotonic() - seen_s >= self.settings.wait_s:
                yield from self._given_up()
            else:
                # Results lie with workers: without one there is none to be asked for.
                time.sleep(0.5)

    def _offers(self) -> dict[str, list[str]]:
        """Address to the resources of each worker; none where the scheduler does not answer now."""
        if self.client.scheduler is None:
            return {}
        with suppress(OSError, TimeoutError, ValueError):
            known = self.client.sync(self.client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_S)
            return {str(who): list(each.get("resources") or {}) for who, each in known["workers"].items()}
        return {}

    def _workers(self) -> int:
        """Number of usable workers. Raises Unreachable where there are some, none is usable, and nothing was begun."""
        offers = self._offers()
        count = sum(resource_of(self.fingerprint) in each for each in offers.values())
        if offers and not count and len(self.waiting) == len(self.tasks):
            who, offered = next(iter(offers.items()))
            theirs = next((each.removeprefix("meterloom-") for each in offered if each.startswith("meterloom-")), "")
            raise Unreachable(other_code(who, theirs or "none of Meterloom's", self.fingerprint))
        return count

    def _ready(self) -> Iterator[tuple[int, Result[Any]]]:
        from distributed import CancelledError, wait

        with suppress(TimeoutError, CancelledError), self.client.as_current():
            wait(list(self.flying), timeout=1, return_when="FIRST_COMPLETED")
        for future in [each for each in self.flying if each.status != "pending"]:
            with suppress(TimeoutError):
                answer = self._answer(future)
                place = self.flying.pop(future)
                if answer is not None:
                    yield place, answer
                elif place in self.suspects:
                    continue
                elif self.lost[place] >= LOSSES:
                    yield place, Result(task_finding("work_lost", f"its result was lost {LOSSES} times"))
                else:
                    self.waiting.appendleft(place)

    def _answer(self, future: "Future") -> Result[Any] | None:
        """Its result; None where it must be done again, lost or suspected. Raises TimeoutError where it still comes."""
        from distributed import CancelledError, KilledWorker

        try:
            found: Result[Any] = future.result(timeout=ANSWER_S)
        except KilledWorker as error:
            if self.flying[future] not in self.alone:
                self.suspects.append(self.flying[future])
                return None
            why = f"its worker was killed again and again, last {error.last_worker.address}; is there enough memory?"
            return Result(task_finding("worker_killed", why))
        except CancelledError:
            self.lost[self.flying[future]] += 1
            return None
        return found

    def _given_up(self) -> Iterator[tuple[int, Result[Any]]]:
        message = f"no worker of {self.settings.address} has answered for {self.settings.wait_s:g} s"
        places = sorted([*self.waiting, *self.flying.values(), *self.suspects])
        self.waiting.clear()
        self.suspects.clear()
        self.flying.clear()
        for place in places:
            yield place, Result(task_finding("no_workers", message))
