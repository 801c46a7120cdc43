"""Runs in the schema: asking, stopping, and following events. The type `Run` stands with those it refers to."""
