"""GraphQL documents that clients name instead of sending them.

Owns the trusted documents of the installation, which its operator registers from a client's manifest, and the
automatic ones, which any client registers by sending them once. To it they are texts: whether one is valid GraphQL,
and may run, is for the API to say.
"""
