"""What tools add to the schema."""

from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.api.tools.loaders import tool_by_id
from nexent_gql.api.tools.queries import ToolQueries
from nexent_gql.api.tools.types import Tool

MODULE = SchemaModule(queries=(ToolQueries,), nodes={Tool: tool_by_id})
