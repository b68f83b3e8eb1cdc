"""The law as rules: who may order what, what the log shows of it, what a manifest must prove."""
