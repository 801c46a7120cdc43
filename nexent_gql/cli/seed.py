"""`nexent-gql seed`."""

import asyncio
from pathlib import Path

import click

from nexent_gql.adapters.embeddings_local import installed_models
from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.domains.agents.demo_base import DemoBase
from nexent_gql.domains.agents.seed import Demo
from nexent_gql.domains.models.policy import ModelConfig
from nexent_gql.ports.llm import Dialect
from nexent_gql.runtime import open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import SeedSettings, Settings

DEFAULT_OPENAI_MODEL = "gpt-4o-mini"


@click.command("seed")
@state_dir_option
def command(state_dir: Path) -> None:
    """Create the demo user, a model, a knowledge base and three agents. Existing ones are kept."""
    settings = find_settings(state_dir)
    asyncio.run(seed(settings))
    click.echo("the demo tenant has a user, a model, a knowledge base and agents")


async def seed(settings: Settings) -> None:
    """Create the demo tenant, with the model that the environment names or the offline one, and the local models."""
    async with open_runtime(settings) as runtime:
        services = Services.build(runtime)
        actor = await services.identity.ensure_demo()
        base = DemoBase(services.knowledge_bases, services.documents, services.agents)
        demo = Demo(services.models, services.agents, base)
        await demo.ensure(actor, given_model(SeedSettings()), installed_models())


def given_model(environment: SeedSettings) -> ModelConfig | None:
    """Return the model that the environment names: a key, an address or a name is enough."""
    named = environment.openai_api_key, environment.openai_base_url, environment.chat_model
    if not any(named):
        return None
    return ModelConfig(
        dialect=Dialect.OPENAI,
        base_url=environment.openai_base_url,
        model_name=environment.chat_model or DEFAULT_OPENAI_MODEL,
        api_key=environment.openai_api_key,
    )
