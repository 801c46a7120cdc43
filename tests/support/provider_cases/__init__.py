"""Plays the cases of `tests/cases/provider-cases.json` against the parts of a real server; see the README there."""
