"""An agent whose model is the scripted provider."""

from tests.support.graphql_client import Client

REGISTER = """
mutation ($input: RegisterModelInput!) {
  registerModel(input: $input) { ... on RegisterModelPayload { model { id } } ... on Error { message code } }
}
"""
CREATE_AGENT = """
mutation ($input: CreateAgentInput!) {
  createAgent(input: $input) { ... on CreateAgentPayload { agent { id } } ... on Error { message code } }
}
"""


async def make_agent(client: Client, base_url: str, name: str = "chaos", kind: str = "TOOL_CALLING") -> str:
    """Register the provider and create an agent with tools; return its id."""
    model = await client.one(
        REGISTER, input={"name": name, "dialect": "OPENAI", "baseUrl": base_url, "providerModel": name}
    )
    agent = await client.one(
        CREATE_AGENT,
        input={"name": name, "kind": kind, "modelId": model["model"]["id"], "toolNames": ["calculator"]},
    )
    return str(agent["agent"]["id"])
