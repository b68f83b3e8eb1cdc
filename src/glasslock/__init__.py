"""End-to-end encrypted messaging with exceptional access by threshold escrow, in the open."""
