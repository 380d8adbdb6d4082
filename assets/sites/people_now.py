"""The people file as it last was in order: read again when it changes, and kept when somebody breaks it."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from assets.sites.load_sites import NOBODY, load_people
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import People, Person


class PeopleNow:
    """Who is known now. fault: what is wrong with the file, empty while it is in order; then nothing may be written.
    believe: told the public keys of everybody, by person_id, at first and whenever they are read anew.
    """

    def __init__(self, people_file: Path, believe: Callable[[Mapping[str, str]], object]) -> None:
        self._believe, self._file = believe, people_file
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._people, self.fault = People(), ""
        # Of a file that was never in order nobody may have acted.
        believe({})
        self.people()

    def people(self) -> People:
        """Everybody of the file."""
        try:
            found = self._file.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError as error:
            was_read = bool(self._people.people) or not isinstance(error, FileNotFoundError)
            self.fault = f"the people file cannot be read ({error.strerror})" if was_read else NOBODY
            self._stamp = None
            return self._people
        with self._lock:
            if stamp != self._stamp:
                self._read()
                self._stamp = stamp
            return self._people

    def known(self, person_id: str) -> Person | None:
        """The person of that id, if the file names them today."""
        return next((each for each in self.people().people if each.person_id == person_id), None)

    def told(self) -> str:
        """The fault of this moment in words."""
        self.people()
        return self.fault

    def _read(self) -> None:
        try:
            self._people, self.fault = load_people(self._file), ""
        except BadInput as fault:
            # Who signs in still may; whom the file names is not for a half-written one to say.
            where = f"line {fault.line}: " if fault.line else ""
            self.fault = f"the people file is not in order, so nothing is written until it is: {where}{fault.message}"
            return
        # What the store holds of signatures is judged by the keys of today.
        self._believe(self._people.public_keys)
