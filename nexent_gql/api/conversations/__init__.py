"""Conversations, their messages and what happens to them, in the schema.

`Conversation`, `Message` and `Run` refer to each other, so their types stand in one module, `types`; their loaders
give rows, so that they need no type.
"""
