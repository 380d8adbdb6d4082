"""The secret of a process's own port: one for all that start together, readable by its owner alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from controls.gateways.access.loopback_port import token_in

PROCESSES, ROUNDS = 8, 20


def test_processes_that_start_together_have_one_secret(tmp_path: Path) -> None:
    together = Barrier(PROCESSES)

    def read(file: Path) -> str:
        together.wait(60)
        return token_in(file)

    for number in range(ROUNDS):
        file = tmp_path / str(number) / "agent.token"
        with ThreadPoolExecutor(PROCESSES) as processes:
            (found,) = set(processes.map(read, [file] * PROCESSES))
        assert len(found) == 32
        assert [each.name for each in file.parent.iterdir()] == [file.name]
        assert file.stat().st_mode & 0o777 == 0o600
