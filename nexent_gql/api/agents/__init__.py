"""The face of `domains.agents`."""
