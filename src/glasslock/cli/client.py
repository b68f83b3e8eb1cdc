"""``glasslock client``: write and read as a person, from one folder per device."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json as json_module
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final

import typer

from glasslock.cli import output
from glasslock.cli.agent import (
    Agent,
    alarm_line,
    conversation_id,
    conversation_line,
    event_line,
    message_line,
)
from glasslock.client import Alarm, Approval, Client, Failed, LinkRequest, MessageSent
from glasslock.errors import GlasslockError, StateError, TransportError, WireError
from glasslock.runtime.files import read_limited

app = typer.Typer(add_completion=False, no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="the folder of this device")]
Conversation = Annotated[str, typer.Argument(help="a conversation's id, as `client list` shows it")]
Account = Annotated[str, typer.Argument(help="an account's name")]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="a file with the device's passphrase")
]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]
SEND_SECONDS: Final = 30.0
MAX_PASSPHRASE: Final = 1_024


@app.command()
def create(
    folder: Folder,
    *,
    provider: Annotated[str, typer.Option(help="the provider's address, http://...")],
    account: Annotated[str, typer.Option(help="the name to write under")],
    link: Annotated[bool, typer.Option("--link", help="join an account that exists")] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a device. With --link, print what a device of the account must approve."""

    async def work() -> None:
        passphrase = _passphrase(passphrase_file)
        client = await Client.create(folder, provider, account, passphrase=passphrase)
        if link:
            request = client.link_request()
            output.talk("on a device you have: glasslock client approve FOLDER CODE")
            output.data(_pack(request.account, request.device, request.signature_key))
        else:
            try:
                await client.register()
            except GlasslockError:
                await client.discard()
                raise
            output.talk(f"{client.account} is ready in {folder}")
        await client.close()

    output.run(work)


@app.command()
def approve(
    folder: Folder,
    code: Annotated[str, typer.Argument(help="what `client create --link` printed")],
    *,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Let another device into this account; prints the answer for `client join`."""
    account, device, key = _unpack(code)
    client = Client.open(folder, passphrase=_passphrase(passphrase_file))
    approval = client.approve(LinkRequest(account, device, key))
    output.data(_pack(client.account, approval.approver_key, approval.signature))


@app.command()
def join(
    folder: Folder,
    code: Annotated[str, typer.Argument(help="what `client approve` printed")],
    *,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Finish linking this device with the answer of an existing one."""
    _account, approver_key, signature = _unpack(code)

    async def work() -> None:
        client = Client.open(folder, passphrase=_passphrase(passphrase_file))
        try:
            await client.register(Approval(approver_key, signature))
        finally:
            await client.close()

    output.run(work)


@app.command()
def new(
    folder: Folder,
    accounts: Annotated[list[str] | None, typer.Argument(help="whom to invite")] = None,
    *,
    policy: Annotated[str, typer.Option(help="the access policy's name")] = "none",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Begin a conversation, by default one with no access path; prints its id."""

    async def work() -> None:
        async with opened(folder, passphrase_file) as client:
            served = await client.learn_policies()
            chosen = next((each for each in served if each.name == policy), None)
            if chosen is None:
                raise StateError(f"the provider serves no policy {policy!r}", rule="client.policy")
            group_id = await client.create_conversation(accounts or [], chosen)
            output.data(group_id.hex())

    output.run(work)


@app.command()
def invite(
    folder: Folder,
    conversation: Conversation,
    account: Account,
    *,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Bring all devices of an account into a conversation."""

    async def work() -> None:
        async with opened(folder, passphrase_file) as client:
            await client.invite(conversation_id(conversation), account)

    output.run(work)


@app.command()
def remove(
    folder: Folder,
    conversation: Conversation,
    account: Account,
    *,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Remove all devices of an account from a conversation."""

    async def work() -> None:
        async with opened(folder, passphrase_file) as client:
            await client.remove(conversation_id(conversation), account)

    output.run(work)


@app.command()
def accept(
    folder: Folder, conversation: Conversation, *, passphrase_file: PassphraseFile = None
) -> None:
    """Join a conversation under an access policy, having read what the policy is."""

    async def work() -> None:
        async with opened(folder, passphrase_file) as client:
            await client.accept(conversation_id(conversation))

    output.run(work)


@app.command()
def send(
    folder: Folder,
    conversation: Conversation,
    text: Annotated[str, typer.Argument(help="what to write")],
    *,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Write a message; returns once the provider's receipt for it is checked."""

    async def work() -> None:
        async with opened(folder, passphrase_file) as client:
            number = await client.send(conversation_id(conversation), text)
            try:
                await asyncio.wait_for(_sent(client, number), SEND_SECONDS)
            except TimeoutError:
                raise TransportError("stored; it will go out with the next connection") from None

    output.run(work)


@app.command()
def read(
    folder: Folder,
    conversation: Conversation,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="go on until Ctrl-C")] = False,
    json: AsJson = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Show the messages of a conversation, the newest last."""

    async def work() -> None:
        async with opened(folder, passphrase_file) as client:
            group_id = conversation_id(conversation)
            await client.caught_up(SEND_SECONDS)
            rows = [message_line(message) for message in client.messages(group_id)]
            output.table(rows, as_json=json)
            if follow:
                async for event in client.events():
                    output.data(event_line(event), as_json=False)

    output.run(work)


@app.command()
def alarms(folder: Folder, *, json: AsJson = False, passphrase_file: PassphraseFile = None) -> int:
    """Show what stands against the logs of this device's policies, with the proof in JSON."""
    client = Client.open(folder, passphrase=_passphrase(passphrase_file))
    rows = [alarm_line(each) for each in client.alarms()]
    output.run(client.close)
    for row in rows:
        row |= {name: row[name].hex() for name in ("policy", "device", "evidence")}
        if not json:
            del row["evidence"]
    output.table(rows, as_json=json)
    return output.EXIT_CODES["findings" if rows else "ok"][0]


@app.command(name="list")
def list_(folder: Folder, *, json: AsJson = False, passphrase_file: PassphraseFile = None) -> None:
    """List the conversations of this device, each with its access policy."""

    async def work() -> None:
        async with opened(folder, passphrase_file) as client:
            await client.caught_up(SEND_SECONDS)
            rows = [conversation_line(view) for view in client.conversations()]
            for row in rows:
                row["conversation"] = row["conversation"].hex()
                row["accounts"] = " ".join(row["accounts"])
            output.table(rows, as_json=json)

    output.run(work)


@app.command()
def run(folder: Folder, *, passphrase_file: PassphraseFile = None) -> None:
    """Stay connected; take commands and tell events as JSON lines (for programs)."""

    async def work() -> None:
        async with opened(folder, passphrase_file) as client:
            await Agent(client).run()

    output.run(work)


@contextlib.asynccontextmanager
async def opened(folder: Path, passphrase_file: Path | None) -> AsyncIterator[Client]:
    """Open the device in ``folder`` and connect it; closed at the end."""
    client = Client.open(folder, passphrase=_passphrase(passphrase_file))
    try:
        for alarm in client.alarms():
            output.talk(f"ALARM: {alarm_text(alarm)}")
        await client.start()
        yield client
    finally:
        await client.close()


def alarm_text(alarm: Alarm) -> str:
    """Say what stands against a log, in words."""
    if alarm.rule == "log.split":
        return (
            f"the log {alarm.origin} has shown two pasts, one to this device and another to "
            f"{alarm.account}; nothing more is taken from it (see `glasslock client alarms`)"
        )
    return (
        f"the log {alarm.origin} keeps entries from this device: it shows {alarm.held}, and has "
        f"shown {alarm.shown} to {alarm.account}"
    )


async def _sent(client: Client, number: int) -> None:
    async for event in client.events():
        if isinstance(event, MessageSent) and event.message == number:
            return
        if isinstance(event, Failed) and event.message == number:
            raise StateError(event.text, rule=event.rule)


def _passphrase(path: Path | None) -> str | None:
    if path is None:
        return None
    return read_limited(path, MAX_PASSPHRASE).decode(errors="replace").rstrip("\r\n")


def _pack(account: str, first: bytes, second: bytes) -> str:
    text = json_module.dumps([account, first.hex(), second.hex()])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _unpack(code: str) -> tuple[str, bytes, bytes]:
    try:
        account, first, second = json_module.loads(base64.urlsafe_b64decode(code))
        return str(account), bytes.fromhex(first), bytes.fromhex(second)
    except (ValueError, TypeError) as error:
        raise WireError("this is not a linking code", rule="client.code") from error
