"""The face of `domains.models`."""
