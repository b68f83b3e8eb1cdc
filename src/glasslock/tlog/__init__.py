"""The C2SP transparency log, pure: hashes, tiles, notes, checkpoints, quorums, proofs.

Knows the formats and their mathematics; knows no file, socket, clock or randomness, and nothing of
what an entry means. What a follower may rely on is a type that only this room makes:
``VerifiedCheckpoint`` and ``LoggedEntry``.
"""
