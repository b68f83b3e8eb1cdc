"""A device's tables, as migrations in order; knows no query."""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

    CREATE TABLE policies (digest BLOB PRIMARY KEY, document BLOB NOT NULL) STRICT;

    CREATE TABLE mls_rows (
        scope BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (scope, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE groups (
        group_id BLOB PRIMARY KEY, policy BLOB NOT NULL, state BLOB NOT NULL
    ) STRICT;

    CREATE TABLE heads (
        group_id BLOB NOT NULL, position INTEGER NOT NULL, head BLOB NOT NULL,
        PRIMARY KEY (group_id, position)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE messages (
        number INTEGER PRIMARY KEY, group_id BLOB NOT NULL, state TEXT NOT NULL,
        account TEXT NOT NULL, device BLOB NOT NULL, content BLOB NOT NULL,
        time INTEGER NOT NULL, position INTEGER, digest BLOB, audience BLOB
    ) STRICT;
    CREATE UNIQUE INDEX messages_place ON messages (group_id, position)
        WHERE position IS NOT NULL;
    CREATE INDEX messages_state ON messages (state) WHERE state IN ('queued', 'sent', 'accepted');

    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY, group_id BLOB NOT NULL, digest BLOB NOT NULL,
        frame BLOB NOT NULL, message INTEGER, place BLOB
    ) STRICT;

    CREATE TABLE records (
        group_id BLOB NOT NULL, position INTEGER NOT NULL, rule TEXT NOT NULL,
        evidence BLOB NOT NULL, PRIMARY KEY (group_id, position, rule)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE log_entries (
        policy BLOB NOT NULL, idx INTEGER NOT NULL, time INTEGER NOT NULL, entry BLOB NOT NULL,
        PRIMARY KEY (policy, idx)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE log_state (
        policy BLOB PRIMARY KEY, note BLOB NOT NULL, nodes BLOB NOT NULL, time INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE accepted (
        group_id BLOB NOT NULL, policy BLOB NOT NULL, PRIMARY KEY (group_id, policy)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE invitations (group_id BLOB PRIMARY KEY, item BLOB NOT NULL) STRICT;
    """,
    """
    CREATE TABLE letters (
        number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, letter BLOB NOT NULL,
        state TEXT NOT NULL, rule TEXT NOT NULL
    ) STRICT;

    CREATE TABLE orders_state (
        policy BLOB PRIMARY KEY, note BLOB NOT NULL, nodes BLOB NOT NULL
    ) STRICT;

    CREATE TABLE orders_entries (
        policy BLOB NOT NULL, idx INTEGER NOT NULL, time INTEGER NOT NULL, entry BLOB NOT NULL,
        PRIMARY KEY (policy, idx)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE INDEX messages_group ON messages (group_id);
    """,
    """
    CREATE TABLE heard (
        policy BLOB NOT NULL, origin TEXT NOT NULL, account TEXT NOT NULL, device BLOB NOT NULL,
        group_id BLOB NOT NULL, time INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
        note BLOB NOT NULL, PRIMARY KEY (policy, origin, account, device)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE agreed (
        number INTEGER PRIMARY KEY, policy BLOB NOT NULL, origin TEXT NOT NULL,
        size INTEGER NOT NULL, root BLOB NOT NULL, UNIQUE (policy, origin, size, root)
    ) STRICT;

    CREATE TABLE alarms (
        policy BLOB NOT NULL, origin TEXT NOT NULL, rule TEXT NOT NULL, held INTEGER NOT NULL,
        shown INTEGER NOT NULL, account TEXT NOT NULL, device BLOB NOT NULL,
        evidence BLOB NOT NULL, PRIMARY KEY (policy, origin, rule)
    ) STRICT, WITHOUT ROWID;
    """,
)
