"""A built-in model for development without a provider or key.

It is a program, not a language model. It streams at a natural pace, calls the tools that a question names, calculates,
quotes passages of what it was given, writes code for code agents, and otherwise explains what it is.
"""

from nexent_gql.adapters.llm_offline.models import OfflineModels

__all__ = ["OfflineModels"]
