"""Tenants, their users, and the credentials by which a caller is known: sessions, refresh tokens, API keys.

Owns who somebody is and which role they have. Does not own what a role may do elsewhere: each domain asks the
principal itself.
"""
