"""Other people's vectors, taken from registry packages by pinned version and hash.

Knows where packages lie and what their hashes must be; whatever cannot be had is told as a reason,
for the test to record. Nothing that was fetched is in the repository.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "vectors" / "go"
SECONDS = 90

HPKE = ("filippo.io/hpke", "v0.4.0", "h1:p575VVQ6ted4pL+it6M00V/f2qTZITO0zgmdKCkd5+A=")
XWING = "x-wing"


class NotToBeHad(Exception):
    """A package is not on this machine and cannot be fetched now."""


def go_module_hash(archive: zipfile.ZipFile) -> str:
    """The ``h1:`` hash of a Go module's archive, as go.sum writes it."""
    names = sorted(archive.namelist())
    lines = [f"{hashlib.sha256(archive.read(name)).hexdigest()}  {name}\n" for name in names]
    whole = hashlib.sha256("".join(lines).encode()).digest()
    return "h1:" + base64.b64encode(whole).decode()


def go_file(module: tuple[str, str, str], path: str) -> Any:  # noqa: ANN401
    """A JSON file of a Go module, fetched with the ordinary client and checked by its hash.

    Raises:
        NotToBeHad: there is no go, or no network.
        AssertionError: what came is not what was pinned.
    """
    name, version, pinned = module
    stored = CACHE / "cache" / "download" / name / "@v" / f"{version}.zip"
    if not stored.is_file():
        _go_download(name, version)
    with zipfile.ZipFile(stored) as archive:
        assert go_module_hash(archive) == pinned, f"{name} {version} has another hash"
        return json.loads(archive.read(f"{name}@{version}/{path}"))


def _go_download(name: str, version: str) -> None:
    go = shutil.which("go")
    if go is None:
        raise NotToBeHad(f"{name} {version}: there is no go on this machine")
    CACHE.mkdir(parents=True, exist_ok=True)
    # The hash is pinned here and checked by us; go's own database of hashes is not needed.
    settings = {"GOFLAGS": "-mod=mod -modcacherw", "GOMODCACHE": str(CACHE), "GONOSUMDB": name}
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = subprocess.run(
                [go, "mod", "download", "-json", f"{name}@{version}"],
                cwd=folder,
                env={**os.environ, **settings, "GOTOOLCHAIN": "local"},
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotToBeHad(f"{name} {version}: no answer in {SECONDS} seconds") from None
    if result.returncode:
        raise NotToBeHad(f"{name} {version}: go could not fetch it")


def crate_file(crate: str, path: str) -> Any:  # noqa: ANN401
    """A JSON file of a crate that the Rust core is built from, checked against Cargo.lock.

    Raises:
        NotToBeHad: cargo has not fetched it on this machine.
        AssertionError: it is not the crate of the lock file.
    """
    packages = tomllib.loads((ROOT / "Cargo.lock").read_text("utf-8"))["package"]
    (locked,) = (each for each in packages if each["name"] == crate)
    name = f"{crate}-{locked['version']}"
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    found = sorted(home.glob(f"registry/cache/*/{name}.crate"))
    if not found:
        raise NotToBeHad(f"{name}: cargo has not fetched it on this machine")
    data = found[0].read_bytes()
    assert hashlib.sha256(data).hexdigest() == locked["checksum"], f"{name} has another hash"
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.extractfile(f"{name}/{path}")
        assert member is not None
        return json.loads(member.read())
