"""Limits of operations and connections: document shape, cost, connections per caller."""
