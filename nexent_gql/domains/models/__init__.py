"""Chat models that a tenant registered: their addresses, their keys, and the result of the last check.

Owns the sealed API keys. Does not own the calls themselves (a port), nor who uses a model (agents).
"""
