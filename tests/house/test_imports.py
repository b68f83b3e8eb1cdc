"""Who may import whom: the contracts of pyproject.toml, and what a layer contract cannot say."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.source import ROOT, SRC, band, modules, name, parsed, touches

FACES = {"cli", "tui", "web"}
STAGE = {"demo", "lab"}
PARTIES = {"client", "provider", "logserver", "witness", "keyholder", "desk", "monitor"}
CRAFTS = {"tlog", "keytrans", "sealing", "orders", "mls"}
# What several crafts make together, for parties and faces; as pure as they are.
JOINED = {"casefile"}
GROUND = {"errors", "ids", "signing", "hpke"}
KNOWN = (
    FACES | STAGE | PARTIES | JOINED | CRAFTS | GROUND | {"wire", "runtime", "__init__", "__main__"}
)

# The outer files of a party: they read, call the core and write. All else in it is core.
SHELLS = {
    "__init__.py",
    "alarms.py",
    "app.py",
    "archive.py",
    "batch.py",
    "cases.py",
    "client.py",
    "comparing.py",
    "config.py",
    "connection.py",
    "gap.py",
    "keys.py",
    "letters.py",
    "lines.py",
    "noticing.py",
    "orders_app.py",
    "plan.py",
    "store.py",
    "quorums.py",
    "relay.py",
    "running.py",
    "shards.py",
    "witnesses.py",
}

NO_IO = ("glasslock.runtime", "asyncio", "sqlite3", "socket", "os", "time", "random", "secrets")
DATABASES = ("sqlite3", "sqlcipher3")
HTTP = ("httpcore", "uvicorn", "websockets", "uvloop", "http", "urllib")

# `glasslock doctor` and `glasslock version` ask whether these are there and what they are.
ASKING = {"src/glasslock/cli/doctor.py", "src/glasslock/cli/version.py"}


def _contracts() -> list[dict[str, object]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts: list[dict[str, object]] = settings["tool"]["importlinter"]["contracts"]
    return contracts


def _breaches(targets: tuple[str, ...], files: list[Path]) -> list[str]:
    return [
        f"{name(path)} imports {target}"
        for path in files
        for target in targets
        if touches(path, target) and name(path) not in ASKING
    ]


def _outside(*allowed: str) -> list[Path]:
    return [path for path in modules() if band(path) not in allowed]


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [linter, "--no-cache", "--no-logo"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_package_has_its_band() -> None:
    """A new room under src/glasslock is named here, in pyproject.toml and in architecture.md."""
    found = {band(path) for path in modules()}
    assert found <= KNOWN, f"no band for {sorted(found - KNOWN)}"


def test_every_craft_is_under_the_purity_contract() -> None:
    pure = {
        source.removeprefix("glasslock.")
        for contract in _contracts()
        if contract["type"] == "forbidden"
        for source in contract["source_modules"]  # type: ignore[attr-defined]
    }
    rooms = {band(path) for path in modules()} & (CRAFTS | JOINED | {"wire"})
    assert rooms <= pure, f'add to "source_modules" in pyproject.toml: {sorted(rooms - pure)}'


def test_party_cores_know_no_clock_no_chance_and_no_io() -> None:
    cores = [p for p in modules() if band(p) in PARTIES and p.name not in SHELLS]
    assert _breaches(NO_IO, cores) == []
    assert _breaches(NO_IO, [p for p in modules() if band(p) in JOINED]) == []


def test_the_rust_core_has_few_users() -> None:
    files = [
        path
        for path in _outside("mls", "sealing", "signing", "hpke")
        if not (band(path) == "wire" and path.name in {"codec.py", "digest.py"})
    ]
    assert _breaches(("glasslock._core",), files) == []


def test_cryptography_stays_where_it_is_reviewed() -> None:
    files = _outside("tlog", "keytrans", "sealing", "runtime", *GROUND)
    assert _breaches(("cryptography", "nacl"), files) == []


def test_databases_stay_in_runtime_and_stores() -> None:
    files = [path for path in _outside("runtime") if path.name != "store.py"]
    assert _breaches(DATABASES, files) == []


def test_http_stays_in_runtime() -> None:
    assert _breaches(HTTP, _outside("runtime", *STAGE)) == []
    files = [path for path in _outside("runtime", "web") if path.name != "app.py"]
    assert _breaches(("starlette",), files) == []


def test_the_desk_sees_evidence_and_no_groups() -> None:
    files = [path for path in modules() if band(path) in {"desk", "casefile"}]
    assert _breaches(("glasslock.mls",), files) == []


def test_no_import_is_hidden_behind_type_checking() -> None:
    hidden = [name(path) for path in modules() if touches(path, "typing.TYPE_CHECKING")]
    assert hidden == []


@pytest.mark.parametrize("path", modules(), ids=name)
def test_a_module_declares_and_does_nothing(path: Path) -> None:
    """Import-time work would be module-level state or hidden IO."""
    allowed = (
        ast.Import,
        ast.ImportFrom,
        ast.Assign,
        ast.AnnAssign,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.If,
    )
    doing = [
        node.lineno
        for node in parsed(path).body
        if not isinstance(node, allowed)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    assert doing == [], f"{path.relative_to(SRC)} acts on import, lines {doing}"
