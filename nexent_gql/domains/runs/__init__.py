"""Runs: answering a message durably, its events, stopping, retrying, and the archive.

Does not own the agent's loop (a port) nor the messages (conversations).
"""
