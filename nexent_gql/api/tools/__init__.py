"""The face of `domains.tools`."""
