"""Writes another log, with other people's writer and feeder; runs in their Python, not in ours.

    python foreign_log.py FOLDER ORIGIN SEED SIZE URL VKEY [URL VKEY...]

Appends to what FOLDER holds up to SIZE entries, has the head cosigned by the witness at each URL
(``old`` sizes and proofs are the feeder's business) and writes the checkpoint. Prints the vkey.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aics_tlog.checkpoint import Checkpoint, sign_checkpoint
from aics_tlog.note import format_vkey, vkey_from_ed25519
from aics_tlog.tree import MerkleTree
from aics_tlog.writer import DirectoryTileStore, IncrementalTileWriter
from aics_witness.feeder import WitnessClient, merge_cosignatures
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def main(folder: str, origin: str, seed: str, size: str, *witnesses: str) -> None:
    """Do all of it."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([int(seed)]) * 32)
    note = Path(folder) / "checkpoint"
    held = int(note.read_text("utf-8").split("\n")[1]) if note.exists() else 0
    leaves = [b"foreign %d" % number for number in range(int(size))]
    tree = MerkleTree(leaves)
    writer = IncrementalTileWriter(DirectoryTileStore(folder), held)
    writer.append(leaves[held:])
    head = Checkpoint(origin, tree.size, tree.root())
    signed = sign_checkpoint(head, key, origin).to_bytes()
    for url, vkey in zip(witnesses[::2], witnesses[1::2], strict=True):
        line = WitnessClient(url, vkey).submit(signed, tree.consistency_proof)
        signed = merge_cosignatures(signed, line)
    note.write_bytes(signed)
    print(format_vkey(vkey_from_ed25519(origin, key.public_key())))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(*sys.argv[1:])
