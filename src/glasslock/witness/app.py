"""The witness's shell: one HTTP verb in, one transaction, one cosignature out."""

from __future__ import annotations

import asyncio
import hashlib

from glasslock.errors import (
    BadSignature,
    ConfigError,
    GlasslockError,
    LogInconsistent,
    WireError,
)
from glasslock.runtime.clock import Clock, SystemClock
from glasslock.runtime.files import private_folder, write_atomic
from glasslock.runtime.keys import load_or_create_seed
from glasslock.runtime.server import HttpRequest, HttpRoute, Reply, build_app, run_service
from glasslock.runtime.service import bind
from glasslock.runtime.sqlite import WritePoint, no_point
from glasslock.tlog.checkpoint import add_signatures
from glasslock.tlog.note import Signer, Verifier
from glasslock.tlog.witnessing import (
    ADD_CHECKPOINT,
    MAX_REQUEST,
    SIZE_TYPE,
    parse_witness_request,
)
from glasslock.witness.config import WitnessConfig
from glasslock.witness.store import Store
from glasslock.witness.witness import StaleSize, UnknownLog, authenticate, decide

TEXT = "text/plain; charset=utf-8"
# What tlog-witness answers for each failure, in the order of its checks.
_STATUS: tuple[tuple[type[GlasslockError], int], ...] = (
    (UnknownLog, 404),
    (BadSignature, 403),
    (LogInconsistent, 422),
    (WireError, 400),
)


class Witness:
    """One witness over one folder."""

    def __init__(self, config: WitnessConfig, clock: Clock, point: WritePoint = no_point) -> None:
        """Open the folder; makes key and database when there are none.

        Raises:
            ConfigError: a log's key is not one, or is not named after its origin.
        """
        folder = private_folder(config.data)
        self._clock = clock
        self._signer = Signer.witness(config.name, load_or_create_seed(folder / "witness.key"))
        self._store = Store(folder / "witness.db", point)
        self._keys = {log.origin: _verifiers(log.origin, log.keys) for log in config.logs}
        self._lock = asyncio.Lock()
        write_atomic(folder / "vkey", self._signer.vkey.encode() + b"\n", 0o644)

    @property
    def vkey(self) -> str:
        """The verifier key that quorum files name."""
        return self._signer.vkey

    def routes(self) -> list[HttpRoute]:
        """Return what the witness serves."""
        return [
            HttpRoute("POST", ADD_CHECKPOINT, self._add_checkpoint, MAX_REQUEST),
            HttpRoute("GET", "/{log}/checkpoint", self._get_checkpoint),
        ]

    async def close(self) -> None:
        """Close the store."""
        self._store.db.close()

    async def _add_checkpoint(self, request: HttpRequest) -> Reply:
        async with self._lock:
            try:
                return Reply(self._cosign(request.body), 200, TEXT)
            except StaleSize as error:
                return Reply(b"%d\n" % error.size, 409, SIZE_TYPE)
            except GlasslockError as error:
                status = next((code for kind, code in _STATUS if isinstance(error, kind)), None)
                if status is None:
                    raise
                return Reply(f"{error}\n".encode(), status, TEXT)

    def _cosign(self, body: bytes) -> bytes:
        request = parse_witness_request(body)
        authenticate(request, self._keys.get(request.head.origin))
        held = self._store.head(request.head.origin)
        try:
            # Decided and remembered in one transaction: no second request comes between. The
            # cosignature leaves only once the head that it covers is on disk.
            with self._store.db.transaction("cosign"):
                head = decide(request, self._store.head(request.head.origin))
                line = self._signer.sign(head.body, time=self._clock.now())
                self._store.put(head, add_signatures(request.note.raw, [line]))
        except LogInconsistent:
            # A proof may be anybody's: what was cosigned is no fork, whatever came with it.
            if held is not None and request.head != held:
                self._store.put_fork(held, request.head, body, self._clock.now())
            raise
        return line.encode()

    async def _get_checkpoint(self, request: HttpRequest) -> Reply:
        for origin, note in self._store.notes().items():
            if hashlib.sha256(origin.encode()).hexdigest() == request.parts["log"]:
                return Reply(note, 200, TEXT)
        return Reply(b"no such log\n", 404, TEXT)


def _verifiers(origin: str, keys: list[str]) -> tuple[Verifier, ...]:
    try:
        found = tuple(Verifier.parse(key) for key in keys)
    except GlasslockError as error:
        raise ConfigError(f"a key of {origin} is not a vkey", rule="witness.key") from error
    if not found or any(verifier.name != origin for verifier in found):
        raise ConfigError(f"a key of {origin} is not named after it", rule="witness.key")
    return found


def run(config: WitnessConfig, clock: Clock | None = None, point: WritePoint = no_point) -> None:
    """Run a witness until SIGTERM or SIGINT; raises ``ConfigError``."""
    listener = bind(config.host, config.port)
    witness = Witness(config, clock or SystemClock(), point)
    run_service(build_app(witness.routes(), witness.close), listener)
