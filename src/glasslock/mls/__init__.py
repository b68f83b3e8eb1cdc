"""RFC 9420 as the application needs it: devices, groups and what is staged, over the Rust core.

Trust climbs by type: bytes become a ``StagedCommit`` or ``StagedWelcome`` only after the engine
verified them, and change a group only when accepted. Knows no message content and no policy rule.
"""

from glasslock._core import (
    SUITE_CLASSIC,
    SUITE_HYBRID,
    CommitPreview,
    Engine,
    Group,
    GroupView,
    Invitation,
    KeyPackageInfo,
    MessageInfo,
    ParkedJoin,
    PublicGroup,
    PublicGroupView,
    PublicStaged,
    StagedCommit,
    StagedWelcome,
    WriteSet,
    key_package_info,
    message_info,
)
from glasslock.mls.freshness import check_age
from glasslock.mls.roster import (
    Device,
    Leaf,
    MemberFacts,
    Roster,
    context_digest,
    credential_digest,
)

__all__ = [
    "SUITE_CLASSIC",
    "SUITE_HYBRID",
    "CommitPreview",
    "Device",
    "Engine",
    "Group",
    "GroupView",
    "Invitation",
    "KeyPackageInfo",
    "Leaf",
    "MemberFacts",
    "MessageInfo",
    "ParkedJoin",
    "PublicGroup",
    "PublicGroupView",
    "PublicStaged",
    "Roster",
    "StagedCommit",
    "StagedWelcome",
    "WriteSet",
    "check_age",
    "context_digest",
    "credential_digest",
    "key_package_info",
    "message_info",
]
