"""The SDK: a person's device. ``session`` decides, ``client`` talks, ``store`` keeps."""

from glasslock.client.client import Client, ConversationView
from glasslock.client.enrolment import Approval, LinkRequest
from glasslock.client.events import (
    Alarm,
    Event,
    Failed,
    Invited,
    Joined,
    LogSplit,
    LogWithheld,
    MembersChanged,
    MessageReceived,
    MessageSent,
    Notice,
    NoticeReceived,
    PolicyChanged,
    PolicyProposed,
    PutOff,
    Reached,
    Standing,
    Warned,
)
from glasslock.client.store import Message

__all__ = [
    "Alarm",
    "Approval",
    "Client",
    "ConversationView",
    "Event",
    "Failed",
    "Invited",
    "Joined",
    "LinkRequest",
    "LogSplit",
    "LogWithheld",
    "MembersChanged",
    "Message",
    "MessageReceived",
    "MessageSent",
    "Notice",
    "NoticeReceived",
    "PolicyChanged",
    "PolicyProposed",
    "PutOff",
    "Reached",
    "Standing",
    "Warned",
]
