"""Conversations, their messages and their events in the schema.

`Conversation`, `Message` and `Run` refer to each other. Their modules name each other's types as `references` declares
them, import each other as modules and pass `related` functions that return loaders, so that names are looked up when
all modules are loaded.
"""
