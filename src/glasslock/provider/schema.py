"""The provider's tables, as migrations in order; knows no query."""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final = (
    """
    CREATE TABLE devices (
        account TEXT NOT NULL, device BLOB NOT NULL, signature_key BLOB NOT NULL,
        registered INTEGER NOT NULL, q INTEGER NOT NULL DEFAULT 0, head BLOB NOT NULL,
        ingested INTEGER NOT NULL DEFAULT 0, inbox_acked INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (account, device)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE key_packages (
        account TEXT NOT NULL, device BLOB NOT NULL, reference BLOB NOT NULL,
        last_resort INTEGER NOT NULL, package BLOB NOT NULL,
        PRIMARY KEY (account, device, reference)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE policies (digest BLOB PRIMARY KEY, document BLOB NOT NULL) STRICT;

    CREATE TABLE groups (
        group_id BLOB PRIMARY KEY, policy BLOB NOT NULL, epoch INTEGER NOT NULL,
        context BLOB NOT NULL, position INTEGER NOT NULL, time INTEGER NOT NULL,
        head BLOB NOT NULL, group_info BLOB NOT NULL, ingested INTEGER NOT NULL DEFAULT 0,
        since INTEGER NOT NULL DEFAULT 0
    ) STRICT;

    CREATE TABLE public_rows (
        scope BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (scope, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE members (
        group_id BLOB NOT NULL, account TEXT NOT NULL, device BLOB NOT NULL,
        joined INTEGER NOT NULL, gone INTEGER, acked INTEGER NOT NULL,
        PRIMARY KEY (group_id, account, device)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX members_device ON members (account, device);

    CREATE TABLE slots (
        group_id BLOB NOT NULL, leaf INTEGER NOT NULL, epoch INTEGER NOT NULL,
        tau INTEGER NOT NULL, slot BLOB NOT NULL, count INTEGER NOT NULL, last BLOB NOT NULL,
        PRIMARY KEY (group_id, leaf)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE entries (
        group_id BLOB NOT NULL, position INTEGER NOT NULL, time INTEGER NOT NULL,
        kind TEXT NOT NULL, digest BLOB NOT NULL, head BLOB NOT NULL, data BLOB NOT NULL,
        account TEXT NOT NULL, device BLOB NOT NULL, q INTEGER NOT NULL,
        device_head BLOB NOT NULL, PRIMARY KEY (group_id, position)
    ) STRICT;
    CREATE UNIQUE INDEX entries_digest ON entries (group_id, digest);

    CREATE TABLE receipts (
        group_id BLOB NOT NULL, position INTEGER NOT NULL, receipt BLOB NOT NULL,
        PRIMARY KEY (group_id, position)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE refusals (
        group_id BLOB NOT NULL, digest BLOB NOT NULL, slug TEXT NOT NULL, rule TEXT,
        message TEXT NOT NULL, epoch INTEGER, PRIMARY KEY (group_id, digest)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE seals (
        group_id BLOB NOT NULL, slot BLOB NOT NULL, position INTEGER NOT NULL,
        tier1 BLOB NOT NULL, seal BLOB NOT NULL, PRIMARY KEY (group_id, slot)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE tier1s (
        group_id BLOB NOT NULL, digest BLOB NOT NULL, header BLOB NOT NULL,
        enc_digests BLOB NOT NULL, encs BLOB NOT NULL, PRIMARY KEY (group_id, digest)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE log_state (
        origin TEXT PRIMARY KEY, note BLOB NOT NULL, nodes BLOB NOT NULL
    ) STRICT;

    CREATE TABLE inbox (
        account TEXT NOT NULL, device BLOB NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL,
        data BLOB NOT NULL, group_id BLOB NOT NULL, position INTEGER NOT NULL,
        time INTEGER NOT NULL, head BLOB NOT NULL, PRIMARY KEY (account, device, seq)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE ingest_roots (
        interval INTEGER PRIMARY KEY, time INTEGER NOT NULL, count INTEGER NOT NULL,
        root BLOB NOT NULL
    ) STRICT;

    CREATE TABLE ingest_leaves (
        interval INTEGER NOT NULL, leaf INTEGER NOT NULL, line BLOB NOT NULL,
        position INTEGER NOT NULL, head BLOB NOT NULL, blind BLOB NOT NULL,
        PRIMARY KEY (interval, leaf)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ingest_line ON ingest_leaves (line, position);
    """,
    """
    CREATE INDEX entries_own ON entries (account, device, q);

    CREATE TABLE openings (
        group_id BLOB NOT NULL, position INTEGER NOT NULL, policy BLOB NOT NULL,
        account TEXT NOT NULL, device BLOB NOT NULL, leaf INTEGER NOT NULL, tau INTEGER NOT NULL,
        slot BLOB NOT NULL, tier1 BLOB NOT NULL, credential BLOB NOT NULL,
        PRIMARY KEY (group_id, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX openings_sender ON openings (group_id, account, tau);

    CREATE TABLE authorities (
        policy BLOB NOT NULL, digest BLOB NOT NULL, entry BLOB NOT NULL,
        PRIMARY KEY (policy, digest)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE orders_logs (
        origin TEXT PRIMARY KEY, url TEXT NOT NULL, day_seconds INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE log_queue (
        number INTEGER PRIMARY KEY, origin TEXT NOT NULL, entry BLOB NOT NULL, case_number INTEGER,
        idx INTEGER, UNIQUE (origin, entry)
    ) STRICT;
    CREATE INDEX log_waiting ON log_queue (origin, number) WHERE idx IS NULL;

    CREATE TABLE cases (
        number INTEGER PRIMARY KEY, digest BLOB NOT NULL, policy BLOB NOT NULL,
        origin TEXT NOT NULL, issuing_key BLOB NOT NULL, issued BLOB NOT NULL,
        secret BLOB NOT NULL, facts BLOB NOT NULL, leaf BLOB NOT NULL, commitment BLOB NOT NULL,
        disclose_by INTEGER NOT NULL, manifest BLOB NOT NULL, rule TEXT, ground TEXT,
        idx INTEGER, disclosed INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX cases_digest ON cases (digest);
    CREATE UNIQUE INDEX cases_commitment ON cases (commitment);
    CREATE UNIQUE INDEX cases_place ON cases (origin, idx) WHERE idx IS NOT NULL;
    CREATE INDEX cases_due ON cases (disclose_by) WHERE disclosed = 0;

    CREATE TABLE case_entries (
        case_number INTEGER NOT NULL, group_id BLOB NOT NULL, position INTEGER NOT NULL,
        kind TEXT NOT NULL, data BLOB NOT NULL, receipt BLOB NOT NULL,
        PRIMARY KEY (case_number, group_id, position)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE notices (digest BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

    CREATE TABLE unauthenticated (
        origin TEXT NOT NULL, day INTEGER NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (origin, day)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE counters (name TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT;
    """,
    # What a message is found by when it comes again is its place in its slot, which grows at its
    # end, and not its digest, which falls anywhere: an index over all digests costs every message
    # a page. Entries from before, and handshakes, have no slot and keep that index.
    """
    ALTER TABLE entries ADD COLUMN receipt BLOB;
    ALTER TABLE entries ADD COLUMN opened INTEGER;
    ALTER TABLE entries ADD COLUMN m INTEGER;
    UPDATE entries SET receipt = (
        SELECT r.receipt FROM receipts r
        WHERE r.group_id = entries.group_id AND r.position = entries.position
    );
    DROP TABLE receipts;
    DROP INDEX entries_digest;
    CREATE UNIQUE INDEX entries_digest ON entries (group_id, digest) WHERE opened IS NULL;
    CREATE UNIQUE INDEX entries_slot ON entries (group_id, opened, m) WHERE opened IS NOT NULL;

    ALTER TABLE slots ADD COLUMN opened INTEGER;
    CREATE TABLE slot_starts (
        group_id BLOB NOT NULL, slot BLOB NOT NULL, opened INTEGER NOT NULL,
        PRIMARY KEY (group_id, slot)
    ) STRICT, WITHOUT ROWID;
    """,
    # A device that was entered before has signed for nobody that vouches for it.
    """
    ALTER TABLE devices ADD COLUMN possession BLOB NOT NULL DEFAULT x'';
    ALTER TABLE devices ADD COLUMN approver_key BLOB;
    ALTER TABLE devices ADD COLUMN approval BLOB;
    """,
    # ``disclose_by`` of a case is the date in force, ``earlier`` the one before an extension.
    """
    CREATE TABLE extensions (
        case_number INTEGER NOT NULL, number INTEGER NOT NULL, entry BLOB NOT NULL UNIQUE,
        earlier INTEGER NOT NULL, void INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (case_number, number)
    ) STRICT;
    CREATE TABLE counted (
        origin TEXT PRIMARY KEY, period INTEGER NOT NULL, ended INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
)
