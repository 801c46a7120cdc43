"""Chat models that a tenant registered: where each lives, how to be let in, and how its last trial went.

Owns the sealed API keys. Does not own the calls themselves (a port), nor who uses a model (agents).
"""
