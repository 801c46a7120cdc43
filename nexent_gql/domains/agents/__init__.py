"""Agents: what each is told, which model and tools it has, and how it acts.

Does not own conversations with an agent, nor its runs.
"""
