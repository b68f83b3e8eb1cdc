"""The SDK: a person's device. ``session`` decides, ``client`` talks, ``store`` keeps."""

from glasslock.client.client import Client
from glasslock.client.events import (
    Event,
    Failed,
    Invited,
    Joined,
    MembersChanged,
    MessageReceived,
    MessageSent,
    Warned,
)

__all__ = [
    "Client",
    "Event",
    "Failed",
    "Invited",
    "Joined",
    "MembersChanged",
    "MessageReceived",
    "MessageSent",
    "Warned",
]
