"""A model without a provider: deterministic, streams at a natural pace, answers from what it is given.

Good enough to develop a frontend against without a key. It says what it is, remembers the conversation, quotes the
text it was given, calls the tools it is offered, writes code for code agents, and thinks aloud or at length when asked.
"""

from nexent_gql.adapters.llm_offline.models import OfflineModels

__all__ = ["OfflineModels"]
