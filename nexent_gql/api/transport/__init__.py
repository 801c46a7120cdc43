"""GraphQL over HTTP, over WebSocket (graphql-transport-ws) and over server-sent events, on one path."""
