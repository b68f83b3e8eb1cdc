"""Slot secrets, seals and bodies: what members derive, and what a quorum could open with them."""
