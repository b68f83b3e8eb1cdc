"""The whole story on real processes, as numbered steps that hold or do not."""
