"""The SDK: a person's device. ``session`` decides, ``client`` talks, ``store`` keeps."""

from glasslock.client.client import Client, ConversationView
from glasslock.client.enrolment import Approval, LinkRequest
from glasslock.client.events import (
    Event,
    Failed,
    Invited,
    Joined,
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
    "Approval",
    "Client",
    "ConversationView",
    "Event",
    "Failed",
    "Invited",
    "Joined",
    "LinkRequest",
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
