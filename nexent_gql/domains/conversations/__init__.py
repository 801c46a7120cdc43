"""Conversations and their trees of messages, titles, feedback, and the events that keep a second tab current.

Does not own runs: an answer is written here by the run that produces it.
"""
