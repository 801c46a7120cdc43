"""Tenants, their users, and their credentials: sessions, refresh tokens, API keys.

Owns identities and roles. Other domains decide themselves what a role may do, by checking the principal.
"""
