"""The schema: its assembly from schema modules, and what types of all domains share."""
