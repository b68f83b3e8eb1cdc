"""What stands between a device and its provider: frames are kept back, changed, shown to others.

With the provider's key in hand it is the provider too: heads and receipts of any line can be made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from glasslock.client import Client
from glasslock.lab.world import World, until
from glasslock.tlog.receipt import make_receipts
from glasslock.wire import api
from glasslock.wire.entry import EntryKind, Head, ReceiptLeaf
from glasslock.wire.envelope import Envelope, decode_envelope, decode_slot_header

Sender = Callable[[api.DeviceFrame], Awaitable[None]]


class Held:
    """Everything a device tries to send in a conversation, which nobody receives."""

    def __init__(self, client: Client) -> None:
        """Stand between ``client`` and its provider, until ``let_go``."""
        self._client = client
        self.frames: list[api.SubmitEnvelope] = []
        self._wire: Sender = client._running._send
        setattr(client._running, "_send", self._keep)  # noqa: B010 - the wire is taken over

    async def _keep(self, frame: api.DeviceFrame) -> None:
        if isinstance(frame, api.SubmitEnvelope):
            self.frames.append(frame)
        else:
            await self._wire(frame)

    def let_go(self) -> None:
        """Let frames pass again; what was kept stays kept."""
        setattr(self._client._running, "_send", self._wire)  # noqa: B010 - given back


async def kept_back(client: Client, group: bytes, text: str) -> Envelope:
    """Have a device write ``text`` and return its envelope, which reached nobody."""
    held = Held(client)
    await client.send(group, text)
    await until(lambda: held.frames)
    held.let_go()
    return decode_envelope(held.frames[0].envelope)


def head_of(client: Client, group: bytes) -> Head:
    """Return where a device is in a line."""
    head: Head = client._session.conversations[group].state.head
    return head


def entry_after(
    world: World,
    group: bytes,
    before: Head,
    envelope: Envelope,
    *,
    time: int = 0,
    sealed: bool = True,
) -> tuple[api.EntryItem, Head]:
    """Return an envelope as the entry after ``before``, receipted with the provider's key.

    Without ``sealed`` the receipt names no seal.
    """
    head = before.next(time or max(world.clock.now(), before.time), envelope.digest)
    seal = tier1 = None
    if envelope.opening is not None and sealed:
        seal = envelope.opening.seal_digest
        tier1 = decode_slot_header(envelope.opening.slot_header).tier1
    leaf = ReceiptLeaf(group, head.position, head.time, envelope.digest, head.head, seal, tier1)
    (receipt,) = make_receipts([leaf], world.provider._key.sign)
    kind = EntryKind.ENVELOPE.value
    item = api.EntryItem(head.position, head.time, kind, envelope.encode(), receipt.encode())
    return item, head


async def show(world: World, client: Client, group: bytes, *entries: api.EntryItem) -> None:
    """Show a device entries as if its provider did, and wait until it has judged them."""
    frame = api.Deliver(group, list(entries), entries[-1].position)
    running = client._running
    async with running._lock:
        running.session.received(frame, world.clock.now())
        await running._pump()
