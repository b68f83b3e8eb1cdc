"""The attack lab: real parties in one world, an attacker with part of it, verdicts by evidence."""
