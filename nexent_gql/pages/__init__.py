"""The two pages: a small chat at `/`, and GraphiQL for browsers that open the API's address.

Plain files without a build step. Nothing here knows the domains; what signs a newcomer in is a callable.
"""

from nexent_gql.pages.graphiql import graphiql_page
from nexent_gql.pages.routes import DemoToken, IssueDemoToken, page_routes

__all__ = ["DemoToken", "IssueDemoToken", "graphiql_page", "page_routes"]
