"""Many devices at once: what their steps ask of the ledger becomes one transaction a round, what they ask of the wire
goes to threads, so that a silent device holds nobody up.

A step is a generator. It runs in the agent's own thread, one a device; it yields what it wants done and is resumed with
the answer, or with the fault raised where it waits. Without a pool everything is done at once and in order.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from assets.stores.transactions import site_transaction
from controls.agent.context import AgentContext, Device, DeviceCall, OnLedger, Step, T
from controls.ledger.rows import Moves


@dataclass
class _Task:
    device: Device
    step: Step[None]
    answer: Any = None
    fault: BaseException | None = None

    def resume(self) -> OnLedger | DeviceCall | None:
        """Next question of the probe; None at its end."""
        answer, fault, self.answer, self.fault = self.answer, self.fault, None, None
        try:
            return self.step.send(answer) if fault is None else self.step.throw(fault)
        except StopIteration:
            return None


class Rounds:
    """The steps under way, at most one a device."""

    def __init__(self, context: AgentContext) -> None:
        self._context = context
        # A step that was given up leaves its device occupied until the wire has answered: None stands for it.
        self._waiting: dict[str, tuple[Future[Any], _Task | None]] = {}
        self._asking: set[str] = set()

    def is_busy(self, device: Device) -> bool:
        """True while a step of the device is under way."""
        return device.device_id in self._waiting or device.device_id in self._asking

    @property
    def is_waiting(self) -> bool:
        """True while a query to any device is open."""
        return bool(self._waiting)

    def run(self, begun: Iterable[tuple[Device, Step[None]]]) -> None:
        """Go on with whatever was answered meanwhile and with new steps, until all wait for the wire or are over.

        Raises what a step or the transaction raises; then every step is given up.
        """
        try:
            ready = self._answered()
            asking = [query for task in ready if (query := self._resume(task))]
            asking += [query for device, step in begun if (query := self._resume(_Task(device, step)))]
            while asking:
                answers = _answers(self._context, [ask for _, ask in asking])
                tasks = [task for task, _ in asking]
                # Only now: a commit that fails must not leave any step ahead of the ledger.
                for task, answer in zip(tasks, answers, strict=True):
                    task.answer = answer
                asking = [query for task in tasks if (query := self._resume(task))]
        except BaseException:
            self.give_up()
            raise

    def give_up(self) -> None:
        """Forget every step; what is on its way to a device is answered to nobody."""
        self._asking.clear()
        self._waiting = {name: (future, None) for name, (future, _) in self._waiting.items() if not future.done()}

    def rest(self, timeout_s: float) -> None:
        """Wait until any device has answered."""
        wait([future for future, _ in self._waiting.values()], timeout_s, return_when="FIRST_COMPLETED")

    def _answered(self) -> list[_Task]:
        ready = []
        for name, (future, task) in list(self._waiting.items()):
            if future.done():
                del self._waiting[name]
                if task is not None:
                    task.fault = future.exception()
                    task.answer = None if task.fault else future.result()
                    self._asking.add(name)
                    ready.append(task)
        return ready

    def _resume(self, task: _Task) -> tuple[_Task, OnLedger] | None:
        """Drive a step to its next ledger query; None where it is over or waits for the wire."""
        lanes = self._context.lanes
        while isinstance(ask := task.resume(), DeviceCall):
            if lanes is not None:
                self._asking.discard(task.device.device_id)
                self._waiting[task.device.device_id] = (lanes.submit(task.device, ask.act), task)
                return None
            try:
                task.answer = ask.act()
            except Exception as fault:
                task.fault = fault
        if ask is None:
            self._asking.discard(task.device.device_id)
            return None
        self._asking.add(task.device.device_id)
        return task, ask


class _Overtaken(Exception):
    """Another process moved one of the round's commands first."""


def _answers(context: AgentContext, asks: Sequence[OnLedger]) -> list[Any]:
    """Answers to all ledger queries of a round, in one transaction. Raises Unreachable."""
    try:
        return _transacted(context, asks, Moves())
    except _Overtaken:
        # Nothing of it stands: once more, and each finds out for itself whether it was the one.
        return _transacted(context, asks, None)


def _transacted(context: AgentContext, asks: Sequence[OnLedger], moves: Moves | None) -> list[Any]:
    context.answers.clear()
    context.moves = moves
    with site_transaction(context.store, context.site_id) as connection:
        answers = [ask.act(connection) for ask in asks]
        if moves is not None and not moves.write(connection, context.site_id):
            raise _Overtaken
    return answers


def wire_only(step: Step[T]) -> T:
    """Run a step without the ledger, here and now: for when there is none, or no time for it."""
    answer: Any = None
    fault: BaseException | None = None
    try:
        while True:
            ask = step.send(answer) if fault is None else step.throw(fault)
            assert isinstance(ask, DeviceCall), "a step without the ledger asks for it"  # noqa: S101 - narrows the type
            try:
                answer, fault = ask.act(), None
            except Exception as raised:
                fault = raised
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
