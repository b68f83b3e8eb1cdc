"""Where a log's shards are, and the plan by which its operator ends one and begins the next.

The plan is a file that a command writes and the running log takes up; the successor's keys are made
before it, so that witnesses can be told of them. Nothing is signed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from glasslock.errors import ConfigError, WireError
from glasslock.logserver.config import LogConfig
from glasslock.logserver.keys import load_signers
from glasslock.runtime.files import private_folder, read_limited, sync_folder, write_atomic
from glasslock.tlog.chain import SHARDS
from glasslock.tlog.note import Signer
from glasslock.tlog.treehead import check_name
from glasslock.wire.shard import check_place

PLAN_FILE: Final = "end.json"
VKEY_FILE: Final = "vkey"
_PUBLIC: Final = 0o644
_MAX_PLAN: Final = 4_096


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The successor of the shard that now runs: its origin, and its place in the address."""

    origin: str
    place: str

    def check(self) -> None:
        """Raise ``ConfigError`` unless origin and place can be those of a shard."""
        try:
            check_name(self.origin, rule="shard.origin")
            check_place(self.place)
        except WireError as error:
            raise ConfigError(str(error), rule=error.rule) from error


@dataclass(frozen=True, slots=True)
class ShardPlace:
    """Where one shard is: its own folder, its public files, its origin, and those before it."""

    folder: Path
    public: Path
    origin: str
    earlier: tuple[str, ...] = ()

    @classmethod
    def first(cls, config: LogConfig) -> ShardPlace:
        """Return the place of the shard that the settings name."""
        return cls(config.data, config.data / "public", config.origin)

    @classmethod
    def later(cls, config: LogConfig, plan: Plan, earlier: Sequence[str]) -> ShardPlace:
        """Return the place of a successor, its folder there for good; makes the folder."""
        folder = private_folder(config.data / SHARDS / plan.place)
        public = config.data / "public" / SHARDS / plan.place
        public.mkdir(parents=True, exist_ok=True)
        for each in (folder, public):
            for above in (each.parent, each.parent.parent):
                sync_folder(above)
        return cls(folder, public, plan.origin, tuple(earlier))


def write_vkeys(folder: Path, signers: Sequence[Signer]) -> str:
    """Write down, and return, the keys that witnesses and readers must know."""
    vkeys = "".join(f"{each.vkey}\n" for each in signers)
    write_atomic(folder / VKEY_FILE, vkeys.encode(), _PUBLIC)
    return vkeys


def put_plan(config: LogConfig, plan: Plan) -> str:
    """Make the successor's keys, write the plan, and return the keys for the witnesses.

    Raises:
        ConfigError: there is no log, or origin or place cannot be those of a new shard.
        StorageError: something could not be written.
    """
    plan.check()
    if not (config.data / "log.db").exists():
        raise ConfigError("there is no log in this folder", rule="log.folder")
    place = ShardPlace.later(config, plan, ())
    if plan.origin == config.origin or (place.public / "checkpoint").exists():
        raise ConfigError("the log has such a shard already", rule="log.place")
    vkeys = write_vkeys(place.folder, load_signers(place.folder, plan.origin))
    write_atomic(config.data / PLAN_FILE, msgspec.json.encode(plan))
    return vkeys


def read_plan(config: LogConfig) -> Plan | None:
    """Return the plan that is there; raises ``ConfigError`` when it is none."""
    path = config.data / PLAN_FILE
    if not path.exists():
        return None
    try:
        plan = msgspec.json.decode(read_limited(path, _MAX_PLAN), type=Plan)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{PLAN_FILE} is no plan of a shard", rule="log.plan") from error
    plan.check()
    return plan


def remove_plan(config: LogConfig) -> None:
    """Remove the plan: it has been carried out."""
    (config.data / PLAN_FILE).unlink(missing_ok=True)
