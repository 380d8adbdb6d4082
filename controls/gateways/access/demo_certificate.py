"""A certificate for a broker of our own on the loopback, made by the system's openssl, which vouches for itself."""

import shutil
import subprocess
from pathlib import Path

from data_quality.contracts.errors import Unreachable
from data_quality.contracts.model import Model

# Made anew whenever it is asked for, so a long life is of no use.
_DAYS = 30


class Certificate(Model):
    """certificate: what clients are given to trust; key: what only the broker reads."""

    certificate: Path
    key: Path


def new_certificate(folder: Path) -> Certificate:
    """A new one in the folder, for 127.0.0.1 and localhost. Raises Unreachable without openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Unreachable("no openssl on this machine; install it: apt-get install -y openssl")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = Certificate(certificate=folder / "broker.pem", key=folder / "broker.key")
    # Made private before anything is in it.
    made.key.touch(mode=0o600)
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", str(_DAYS)]
    files = ["-keyout", str(made.key), "-out", str(made.certificate)]
    done = subprocess.run([openssl, "req", "-x509", *kind, *names, *files], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unreachable(f"openssl made no certificate: {done.stderr.strip().splitlines()[-1:]}")
    return made
