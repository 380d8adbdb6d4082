"""A certificate for a broker of our own on the loopback, made by the system's openssl, which vouches for itself."""

import shutil
import subprocess
from pathlib import Path

from data_quality.contracts.errors import Unreachable
from data_quality.contracts.model import Model

# What runs for a year without a start must not end by its certificate; whoever starts with less left gets a new one.
_DAYS, _LEFT_DAYS = 825, 400


class Certificate(Model):
    """certificate: what clients are given to trust; key: what only the broker reads."""

    certificate: Path
    key: Path


def certificate_in(folder: Path) -> Certificate:
    """The folder's own: made once, and anew where it ends within a year or so. Raises Unreachable without openssl."""
    kept = _place(folder)
    ends = ["x509", "-noout", "-checkend", str(_LEFT_DAYS * 86_400), "-in", str(kept.certificate)]
    is_good = kept.key.is_file() and _openssl(*ends).returncode == 0
    return kept if is_good else new_certificate(folder)


def new_certificate(folder: Path) -> Certificate:
    """A new one in the folder, for 127.0.0.1 and localhost. Raises Unreachable without openssl."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = _place(folder)
    # Made private before anything is in it.
    made.key.touch(mode=0o600)
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", str(_DAYS)]
    files = ["-keyout", str(made.key), "-out", str(made.certificate)]
    done = _openssl("req", "-x509", *kind, *names, *files)
    if done.returncode:
        raise Unreachable(f"openssl made no certificate: {done.stderr.strip().splitlines()[-1:]}")
    return made


def _place(folder: Path) -> Certificate:
    return Certificate(certificate=folder / "broker.pem", key=folder / "broker.key")


def _openssl(*arguments: str) -> "subprocess.CompletedProcess[str]":
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Unreachable("no openssl on this machine; install it: apt-get install -y openssl")
    return subprocess.run([openssl, *arguments], capture_output=True, text=True, check=False)
