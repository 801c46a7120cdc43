"""What tools add to the schema."""

from nexent_gql.api.face import Face
from nexent_gql.api.tools.loaders import tool_by_id
from nexent_gql.api.tools.queries import ToolQueries
from nexent_gql.api.tools.types import Tool

FACE = Face(queries=(ToolQueries,), nodes={Tool: tool_by_id})
