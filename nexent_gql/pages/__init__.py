"""Two pages: a small chat at `/`, and GraphiQL at the API's address.

Plain files without a build step. The package does not import the domains; the demo sign-in is a callable.
"""

from nexent_gql.pages.documents import read_documents
from nexent_gql.pages.graphiql import graphiql_page
from nexent_gql.pages.routes import DemoToken, IssueDemoToken, page_routes

__all__ = ["DemoToken", "IssueDemoToken", "graphiql_page", "page_routes", "read_documents"]
