"""Every domain-separation label, once, over digests, key derivation and signatures together.

Knows what each label is for; does not know the bytes that go under it. A label used in two ways
would let one computation stand in for another, so the house tests hold this list unique.
"""

from __future__ import annotations

from enum import StrEnum


class Label(StrEnum):
    """One label of protocol ``glasslock/1`` (sections 1 to 6)."""

    # Digests: H(label, ...)
    POLICY = "policy"
    CREDENTIAL = "credential"
    GROUP_CONTEXT = "group context"
    STREAM = "stream"
    STREAM_NEXT = "stream next"
    HANDSHAKE = "handshake"
    ENVELOPE = "envelope"
    SEALED_BODY = "sealed body"
    SLOT_HEADER = "slot header"
    TIER_1_HEADER = "tier 1 header"
    TIER_1 = "tier 1"
    ENCAPSULATION = "encapsulation"
    PERIOD_KEY = "period key"
    SHARE = "share"
    SEAL = "seal"
    MESSAGE_HEADER = "message header"
    CONTENT = "content"
    INGEST = "ingest"
    DEVICE_NEXT = "device next"
    ORDER = "order"
    MANIFEST = "manifest"
    RELEASE = "release"
    ENTRY_DIGEST = "log entry"
    CASE_FILE = "case file"
    COMMITMENT = "commitment"

    # Key derivation: KDF(key, label, ...; L)
    SLOT_TREE = "slot tree"
    TREE_LEFT = "tree left"
    TREE_RIGHT = "tree right"
    LEAF = "leaf"
    SLOT_KEY = "slot key"
    CHAIN = "chain"
    MESSAGE_KEY = "message key"
    CHAIN_NEXT = "chain next"
    COINS = "coins"
    SEAT = "seat"
    SEAT_NEXT = "seat next"
    CLASS_PART = "class part"
    COEFFICIENT = "coefficient"
    SHARE_KEY = "share key"
    SHARE_BLIND = "share blind"
    SLOT_KEY_COMMITMENT = "slot key commitment"
    SALT = "salt"
    BODY = "body"
    ATTACHMENT = "attachment"
    PROOF = "proof"
    RELEASE_PAD = "release pad"
    RELEASE_KEY = "release key"
    COMMITMENT_FIELD = "commitment field"
    COMMITMENT_VALUE = "commitment value"
    STORE = "store"
    WRAP = "wrap"

    # Signatures: Sign(label, content)
    SIGN_SLOT = "slot"
    SIGN_MESSAGE = "message"
    SIGN_LOGIN = "login"
    SIGN_DEVICE = "device approval"
    SIGN_POSSESSION = "device possession"
    SIGN_RECEIPT = "receipt"
    SIGN_POLICY = "policy document"
    SIGN_PERIOD_KEY = "period key record"
    SIGN_AUTHORITY = "authority record"
    SIGN_ORDER = "order issue"
    SIGN_COUNTERSIGN = "order countersign"
    SIGN_EXTENSION = "extension countersign"
    SIGN_PREVIEW = "preview"
    SIGN_RELEASE = "release statement"
    SIGN_SUBMIT = "log submission"
    SIGN_REQUEST = "request"
    SIGN_RECORD = "log record"
    SIGN_CASE_FILE = "case file statement"
