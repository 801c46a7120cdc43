"""The schema: its assembly from schema modules, and shared types and helpers."""
