"""The API of identity: the caller, users, sessions and API keys."""
