"""What the schema takes in about conversations."""

from nexent_gql.api.conversations.events import EVENT_TYPES
from nexent_gql.api.conversations.messages import Message, message_by_id
from nexent_gql.api.conversations.mutations import ConversationMutations
from nexent_gql.api.conversations.parts import PART_TYPES
from nexent_gql.api.conversations.queries import ConversationQueries
from nexent_gql.api.conversations.search import MessageSearchQueries
from nexent_gql.api.conversations.subscriptions import ConversationSubscriptions
from nexent_gql.api.conversations.types import Conversation, conversation_by_id
from nexent_gql.api.schema.module import SchemaModule

MODULE = SchemaModule(
    queries=(ConversationQueries, MessageSearchQueries),
    mutations=(ConversationMutations,),
    subscriptions=(ConversationSubscriptions,),
    types=(*EVENT_TYPES, *PART_TYPES),
    nodes={Conversation: conversation_by_id, Message: message_by_id},
)
