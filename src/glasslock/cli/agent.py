"""A device that a program drives: commands as JSON lines in, answers and events as JSON lines out.

Every command is an object with ``do`` and, if its answer is to be found again, ``id``. Knows the
client's public names only.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from glasslock.client import Alarm, Client, ConversationView, Message
from glasslock.client.events import Event, Notice, NoticeReceived
from glasslock.errors import GlasslockError, WireError

MAX_LINE: Final = 1 << 20
_NAMES: Final = {
    "MessageReceived": "received",
    "MessageSent": "sent",
    "Invited": "invited",
    "Joined": "joined",
    "MembersChanged": "members",
    "Failed": "failed",
    "Warned": "warned",
    "PolicyProposed": "policy-proposed",
    "PolicyChanged": "policy-changed",
    "LogSplit": "log-split",
    "LogWithheld": "log-withheld",
}


class Agent:
    """One client behind standard input and output."""

    def __init__(self, client: Client) -> None:
        """Drive ``client``, which is started."""
        self._client = client
        self._verbs: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "create": self._create,
            "invite": self._invite,
            "remove": self._remove,
            "refresh": self._refresh,
            "accept": self._accept,
            "send": self._send,
            "again": self._again,
            "read": self._read,
            "list": self._list,
            "notices": self._notices,
            "alarms": self._alarms,
        }

    async def run(self) -> None:
        """Serve until standard input ends."""
        reader = asyncio.StreamReader(limit=MAX_LINE)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        telling = asyncio.create_task(self._tell_events())
        write({"event": "ready", "account": self._client.account, "device": self._client.device})
        for alarm in self._client.alarms():
            write({"event": "alarm", **alarm_line(alarm)})
        try:
            while line := await reader.readline():
                await self._serve(line)
        except ValueError as error:
            raise WireError("a command line is too long", rule="agent.line") from error
        finally:
            telling.cancel()

    async def _tell_events(self) -> None:
        async for event in self._client.events():
            write(event_line(event))

    async def _serve(self, line: bytes) -> None:
        number: object = None
        try:
            command = _command(line)
            number = command.get("id")
            verb = self._verbs.get(str(command.get("do")))
            if verb is None:
                raise WireError("there is no such command", rule="agent.verb")
            write({"event": "done", "id": number, **await verb(command)})
        except KeyError as error:
            write(_failure(number, WireError(f"the command lacks {error}", rule="agent.field")))
        except GlasslockError as error:
            write(_failure(number, error))

    async def _create(self, command: dict[str, Any]) -> dict[str, Any]:
        policy = None
        if "policy" in command:
            served = await self._client.learn_policies()
            wanted = [p for p in served if p.name == command["policy"]]
            if not wanted:
                raise WireError("the provider serves no such policy", rule="agent.policy")
            policy = wanted[0]
        accounts = [str(each) for each in command.get("accounts", [])]
        group_id = await self._client.create_conversation(accounts, policy)
        return {"conversation": group_id}

    async def _invite(self, command: dict[str, Any]) -> dict[str, Any]:
        await self._client.invite(_id(command), str(command["account"]))
        return {}

    async def _remove(self, command: dict[str, Any]) -> dict[str, Any]:
        await self._client.remove(_id(command), str(command["account"]))
        return {}

    async def _refresh(self, command: dict[str, Any]) -> dict[str, Any]:
        await self._client.refresh(_id(command))
        return {}

    async def _accept(self, command: dict[str, Any]) -> dict[str, Any]:
        await self._client.accept(_id(command))
        return {}

    async def _send(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"message": await self._client.send(_id(command), str(command["text"]))}

    async def _again(self, command: dict[str, Any]) -> dict[str, Any]:
        await self._client.send_again(int(command["message"]))
        return {}

    async def _read(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"messages": [message_line(m) for m in self._client.messages(_id(command))]}

    async def _list(self, _command: dict[str, Any]) -> dict[str, Any]:
        return {"conversations": [conversation_line(c) for c in self._client.conversations()]}

    async def _notices(self, _command: dict[str, Any]) -> dict[str, Any]:
        return {"notices": [notice_line(each) for each in self._client.notices()]}

    async def _alarms(self, _command: dict[str, Any]) -> dict[str, Any]:
        return {"alarms": [alarm_line(each) for each in self._client.alarms()]}


def event_line(event: Event) -> dict[str, Any]:
    """Return an event as a JSON object."""
    if isinstance(event, NoticeReceived):
        return {"event": "notice", **notice_line(event.notice)}
    facts = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    facts["conversation"] = facts.pop("group_id")
    if "content" in facts:
        facts["text"] = _readable(facts.pop("content"))
    return {"event": _NAMES[type(event).__name__], **facts}


def message_line(message: Message) -> dict[str, Any]:
    """Return a stored message as a JSON object."""
    return {
        "message": message.number,
        "state": message.state,
        "account": message.account,
        "time": message.time,
        "position": message.position,
        "text": _readable(message.content),
    }


def notice_line(notice: Notice) -> dict[str, Any]:
    """Return a verified notice as a JSON object."""
    facts = dataclasses.asdict(notice)
    facts["notice"] = facts.pop("number")
    facts["conversations"] = [
        {"conversation": each.group_id, "recipient": each.recipient, "slots": each.spans}
        for each in notice.conversations
    ]
    return facts


def alarm_line(alarm: Alarm) -> dict[str, Any]:
    """Return what stands against a log as a JSON object."""
    return dataclasses.asdict(alarm)


def conversation_line(view: ConversationView) -> dict[str, Any]:
    """Return a conversation as a JSON object."""
    return {
        "conversation": view.group_id,
        "policy": view.policy.name,
        "accounts": view.accounts,
        "devices": view.devices,
        "epoch": view.epoch,
        "stopped": view.stopped,
    }


def write(value: dict[str, Any]) -> None:
    """Write one JSON line to standard output."""
    sys.stdout.write(json.dumps(value, default=_plain) + "\n")
    sys.stdout.flush()


def conversation_id(text: str) -> bytes:
    """Return the conversation that ``text`` names in hex; raises ``WireError``."""
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise WireError("a conversation is named in hex", rule="agent.conversation") from error


def _command(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise WireError("a command is one line of JSON", rule="agent.json") from error
    if not isinstance(value, dict):
        raise WireError("a command is a JSON object", rule="agent.json")
    return value


def _failure(number: object, error: GlasslockError) -> dict[str, Any]:
    return {
        "event": "refused",
        "id": number,
        "slug": error.slug,
        "rule": error.rule,
        "text": str(error),
    }


def _id(command: dict[str, Any]) -> bytes:
    return conversation_id(str(command["conversation"]))


def _readable(content: bytes) -> str:
    return content.decode(errors="replace")


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value)
