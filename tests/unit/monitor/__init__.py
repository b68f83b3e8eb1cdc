"""Tests of one room, mirroring its path."""
