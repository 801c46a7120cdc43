"""deploy/compose.yaml fits the settings, the queues and the documentation; nothing here starts a container."""

import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from nexent_gql.jobs.work import Work
from nexent_gql.settings import Settings
from workers import handlers

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PORTS = {
    "api": "5010",
    "documents": "5012",
    "postgres": "5434",
    "elasticsearch": "9210",
    "minio": "9010",
    "valkey": "6379",
}
OURS = {"api", "worker", "documents", "migrate"}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return cast("dict[str, dict[str, Any]]", content["services"])


def queues(work: type[Work]) -> set[str]:
    """Return the queues of all kinds of jobs of the product, without those of tests."""
    own = {work.queue} if work.__module__.startswith("nexent_gql.") and "queue" in vars(work) else set[str]()
    return own.union(*(queues(kind) for kind in work.__subclasses__()))


def test_every_engine_has_its_port_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    published = {name: ports for name, service in services.items() if (ports := service.get("ports"))}
    assert published.keys() == PORTS.keys()
    for name, ports in published.items():
        assert [re.search(r":-127\.0\.0\.1:(\d+)\}:\d+$", port) is not None for port in ports] == [True]
        assert f":-127.0.0.1:{PORTS[name]}}}:" in ports[0]


def test_engines_are_pinned_and_checked(services: dict[str, dict[str, Any]]) -> None:
    engines = {name: service for name, service in services.items() if name not in OURS}
    for name, engine in engines.items():
        _, _, tag = engine["image"].rpartition(":")
        assert tag != "latest", name
        assert "healthcheck" in engine, name


def test_processes_wait_for_healthy_engines(services: dict[str, dict[str, Any]]) -> None:
    engines = set(services) - OURS - {"postgres"}  # `migrate` waits for Postgres
    for name in OURS - {"migrate"}:
        needs = services[name]["depends_on"]
        assert {engine for engine in engines if needs[engine]["condition"] == "service_healthy"} == engines
        assert needs["migrate"]["condition"] == "service_completed_successfully"


def test_every_queue_has_a_worker(services: dict[str, dict[str, Any]]) -> None:
    assert handlers.JobRegistry  # every kind of job is imported
    served = [queue for name in ("worker", "documents") for queue in services[name]["command"][2].split(",")]
    assert sorted(served) == sorted(queues(Work))


def test_every_variable_is_a_setting(services: dict[str, dict[str, Any]]) -> None:
    for name in OURS:
        for variable in services[name]["environment"]:
            if variable.startswith("NEXENT_"):
                section, _, field = variable.removeprefix("NEXENT_").lower().partition("__")
                model = Settings.model_fields[section]
                assert not field or field in cast("Any", model.annotation).model_fields, variable


def test_every_variable_of_the_file_is_explained() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    example = (DEPLOY / "env.example").read_text()
    variables = set(re.findall(r"\$\{(\w+):?[-?]", text))
    assert {name for name in variables if not re.search(rf"^#?{name}=", example, re.MULTILINE)} == {"MINIO_ACCESS_KEY"}
