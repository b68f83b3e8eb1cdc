"""Logs, witnesses, keyholders, authorities and the desk as processes: their settings and keys.

Everything here is done with the commands that an operator would type. Knows no actor's objects.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from glasslock.demo.cast import Cast
from glasslock.wire import api
from glasslock.wire.policy import decode_policy

T = TypeVar("T")
R = TypeVar("R")

POLICY_ORIGIN: Final = "demo.glasslock.example/policy"
ORDERS_ORIGIN: Final = "demo.glasslock.example/orders/1"
WITNESSES: Final = ("press", "university", "bar", "ombudsman")
CLASSES: Final = (
    ("judicial", 2, ("court-north", "court-south", "inspection")),
    ("independent", 3, ("privacy", "notaries", "rights", "science", "abroad")),
)
KEYHOLDERS: Final = tuple(name for _, _, names in CLASSES for name in names)
AUTHORITIES: Final = (
    ("issuing", "prosecutor", "Prosecution Service"),
    ("countersigner", "judge", "District Court"),
    ("agency", "police", "Criminal Police"),
    ("court-registry", "registry", "Court Registry"),
)
POLICY: Final = "two-locks"
# These keyholders have decided in advance to release what passes every rule; one asks its person.
STANDING: Final = tuple(name for name in KEYHOLDERS if name != "science")
PERIOD_DAYS: Final = 4
# Seconds between two looks at a log by command.
LOOK: Final = 0.4
# Seconds of a policy day, where making the keyholders' keys takes as long as it should.
_DAY: Final = 4
_USUAL: Final = 3.0


def together(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do ``work`` for all ``items``, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, items))


def free_ports(count: int) -> list[int]:
    """Return ports on loopback that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_logs(cast: Cast) -> None:
    """Start both logs, then their four witnesses, which learn the logs' keys from them."""
    *ports, cast.facts["desk port"] = free_ports(3 + len(WITNESSES))
    cast.facts["desk"] = f"http://127.0.0.1:{cast.facts['desk port']}"
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    witness_urls = dict(zip(WITNESSES, urls[2:], strict=True))
    keys = dict(zip(WITNESSES, together(lambda n: _witness_key(cast, n), WITNESSES), strict=True))
    logs = (("policy-log", POLICY_ORIGIN), ("orders-log", ORDERS_ORIGIN))
    vkeys = []
    for (name, origin), port in zip(logs, ports[:2], strict=True):
        folder = cast.stage.folder(name)
        lines = [f'data = "{folder / "data"}"', f'origin = "{origin}"', f"port = {port}"]
        lines += ["needed = 3", "batch_seconds = 0.05", "heartbeat_seconds = 3.0"]
        for witness in WITNESSES:
            lines += ["[[witnesses]]", f'name = "{witness}"', f'key = "{keys[witness]}"']
            lines += [f'url = "{witness_urls[witness]}"']
        settings = _write(cast, name, "log.toml", lines)
        cast.stage.start(name, "serve", "log", settings).expect("ready")
        vkeys.append((folder / "data" / "vkey").read_text(encoding="ascii").split())
    for witness, port in zip(WITNESSES, ports[2:], strict=True):
        cast.stage.start(witness, "witness", "run", _witness(cast, witness, port, vkeys))
    for witness in WITNESSES:
        cast[witness].expect("ready")
    pairs = zip(vkeys, urls[:2], strict=True)
    quorum = [f"log {vkey} {url}" for both, url in pairs for vkey in both]
    quorum += [f"witness {name} {keys[name]} {witness_urls[name]}" for name in WITNESSES]
    quorum += [f"group witnesses 3 {' '.join(WITNESSES)}", "quorum witnesses"]
    cast.facts["quorum"] = _write(cast, "public", "quorum", quorum)
    cast.facts["logs"] = {"policy": urls[0], "orders": urls[1]}


def _witness_key(cast: Cast, name: str) -> str:
    return cast.stage.run("witness", "key", _witness(cast, name, 0, [])).stdout.strip()


def _witness(cast: Cast, name: str, port: int, vkeys: list[list[str]]) -> str:
    lines = [f'data = "{cast.stage.folder(name) / "data"}"', f'name = "{name}.example"']
    lines += [f"port = {port}"]
    for origin, keys in zip((POLICY_ORIGIN, ORDERS_ORIGIN), vkeys, strict=False):
        lines += ["[[logs]]", f'origin = "{origin}"', f"keys = {json.dumps(keys)}"]
    return _write(cast, name, "witness.toml", lines)


def _write(cast: Cast, name: str, file: str, lines: list[str]) -> str:
    path = cast.stage.folder(name) / file
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def verified(cast: Cast, log: str) -> dict[str, Any]:
    """Return what anybody learns from a log's public address, everything verified."""
    origin = POLICY_ORIGIN if log == "policy" else ORDERS_ORIGIN
    done = read_json(
        cast,
        "log",
        "verify",
        cast.facts["logs"][log],
        "--quorum",
        cast.facts["quorum"],
        "--origin",
        origin,
    )
    found: dict[str, Any] = done
    return found


def read_json(cast: Cast, *arguments: str) -> Any:  # noqa: ANN401 - whatever a command prints
    """Run a command with ``--json`` and return what it printed."""
    done: subprocess.CompletedProcess[str] = cast.stage.run(*arguments, "--json")
    return json.loads(done.stdout)


def found_policy(cast: Cast) -> None:
    """Have the keyholders make keys, read a policy document, sign it and put it into the log."""
    cast.facts["registry key"] = _make_key(cast, "registrar", "registry")
    start = time.monotonic()
    made = together(lambda name: _keyholder_key(cast, name), KEYHOLDERS)
    keys = dict(zip(KEYHOLDERS, made, strict=True))
    # The policy's clocks must leave a slow machine the time that the story needs.
    cast.facts["day"] = max(_DAY, round(_DAY * (time.monotonic() - start) / _USUAL))
    draft = _write(cast, "public", "draft.toml", _draft(cast, keys))
    document = str(cast.stage.folder("public") / "policy")
    cast.stage.run("keyholder", "found", draft, document)
    signatures = together(lambda n: _sign(cast, n, document), KEYHOLDERS)
    first = keyholder_settings(cast, KEYHOLDERS[0])
    cast.stage.run("keyholder", "publish-policy", document, *signatures, "--config", first)
    cast.facts["policy"] = policy_digest(document)
    for name in KEYHOLDERS:
        keyholder_settings(cast, name)


def policy_digest(document: str) -> str:
    """Return the digest by which everybody names a policy document."""
    return decode_policy(Path(document).read_bytes()).digest.hex()


def _make_key(cast: Cast, name: str, role: str) -> str:
    path = cast.stage.folder(name) / f"{role}.key"
    return cast.stage.run("order", "key", str(path), "--role", role).stdout.strip()


def _keyholder_key(cast: Cast, name: str) -> str:
    return cast.stage.run("keyholder", "key", keyholder_settings(cast, name)).stdout.strip()


def _sign(cast: Cast, name: str, document: str) -> str:
    return cast.stage.run(
        "keyholder", "sign", keyholder_settings(cast, name), document
    ).stdout.strip()


def _draft(cast: Cast, keys: dict[str, str]) -> list[str]:
    day = cast.facts["day"]
    lines = [f'name = "{POLICY}"', 'family = "demo"', f'provider_key = "{provider_key(cast)}"']
    lines += [f'registry_key = "{cast.facts["registry key"]}"']
    lines += [f'quorum = "{cast.facts["quorum"]}"']
    lines += [f'policy_origin = "{POLICY_ORIGIN}"', f'orders_origin = "{ORDERS_ORIGIN}"']
    lines += ["[clocks]", "slot_seconds = 1", f"slots_per_day = {day}", "skew_seconds = 3"]
    lines += ["away_days = 3650", "ingest_seconds = 2"]
    lines += ["[limits]", "hold_seconds = 0", "order_seconds = 3600", "disclose_seconds = 3600"]
    lines += ["granularity_seconds = 1", "batch_seconds = 1", "retention_days = 1"]
    for name, threshold, members in CLASSES:
        lines += ["[[classes]]", f'name = "{name}"', f"threshold = {threshold}"]
        for member in members:
            lines += ["[[classes.seats]]", f'keyholder = "{member}"']
            lines += [
                f'legal_person = "{member.replace("-", " ").title()}"',
                f'key = "{keys[member]}"',
            ]
    return lines


def provider_key(cast: Cast) -> str:
    """Return the key under which the provider signs receipts, as it says over HTTP."""
    with urllib.request.urlopen(f"{cast.url}{api.HEALTH}", timeout=10) as answer:  # noqa: S310 - ours
        return msgspec.msgpack.decode(answer.read(), type=api.Health).provider_key.hex()


def keyholder_settings(cast: Cast, name: str) -> str:
    """Write a keyholder's settings as far as they are known by now; returns their path."""
    lines = [f'data = "{cast.stage.folder(name) / "data"}"', f'name = "{name}"']
    lines += [f'quorum = "{cast.facts["quorum"]}"', f'provider = "{cast.url}"']
    lines += [f'policy_origin = "{POLICY_ORIGIN}"', f'orders_origin = "{ORDERS_ORIGIN}"']
    lines += [f'policy = "{cast.facts.get("policy", "")}"', "poll_seconds = 0.8"]
    lines += [f"ahead_days = 3\nperiod_days = {PERIOD_DAYS}"]
    lines += [f"standing = {str(name in STANDING).lower()}"]
    lines += ["[desks]", f'police = "{cast.facts["desk"]}"']
    cast.facts.setdefault("settings", {})[name] = path = _write(cast, name, "keyholder.toml", lines)
    return path


def wait_for_first_day(cast: Cast) -> None:
    """Wait until the day from which every seat has a key."""
    first = max(key["first_day"] for key in verified(cast, "policy")["keys"])
    time.sleep(max(0.0, first * cast.facts["day"] + 0.2 - time.time()))


def serve_policy(cast: Cast) -> None:
    """Restart the provider with the policy log, from which it learns what it may serve."""
    cast["provider"].stop()
    cast.policy_log = f"""
[policy_log]
origin = "{POLICY_ORIGIN}"
url = "{cast.facts["logs"]["policy"]}"
quorum = "{cast.facts["quorum"]}"
interval_seconds = 2.0
"""
    cast.start_provider()


def register_authorities(cast: Cast) -> None:
    """Make a key for each authority and have the registry enter it in the policy log."""

    def register(entry: tuple[str, str, str]) -> None:
        role, name, owner = entry
        arguments = ["--registry-key", str(cast.stage.folder("registrar") / "registry.key")]
        arguments += ["--name", name, "--role", role, "--owner", owner, "--class", "court"]
        arguments += ["--key", _make_key(cast, name, role)]
        cast.stage.run("order", "register", cast.facts["desk settings"], *arguments)

    together(register, AUTHORITIES)


def key_of(cast: Cast, role: str) -> str:
    """Return the path of the key of the authority in ``role``."""
    name = next(name for each, name, _ in AUTHORITIES if each == role)
    return str(cast.stage.folder(name) / f"{role}.key")


def start_desk(cast: Cast) -> None:
    """Start the desk's daemon, at the address that keyholders were told."""
    lines = [f'data = "{cast.stage.folder("desk") / "data"}"', f"port = {cast.facts['desk port']}"]
    lines += [f'quorum = "{cast.facts["quorum"]}"', f'policy = "{cast.facts["policy"]}"']
    lines += [f'policy_origin = "{POLICY_ORIGIN}"', f'orders_origin = "{ORDERS_ORIGIN}"']
    lines += [f'provider = "{cast.url}"', "poll_seconds = 0.8"]
    cast.facts["desk settings"] = _write(cast, "desk", "desk.toml", lines)
    cast.stage.start("desk", "serve", "desk", cast.facts["desk settings"]).expect("ready")
