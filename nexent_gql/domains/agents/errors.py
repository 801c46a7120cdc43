"""Errors of the domain."""

from uuid import UUID

from nexent_gql.kernel.errors import ConflictError, InvalidInputError, NotFoundError


class AgentNotFoundError(NotFoundError):
    """The caller's tenant has no such agent."""

    object_type = "Agent"
    code = "NOT_FOUND"

    def __init__(self, agent_id: UUID) -> None:
        super().__init__("Your tenant has no such agent; it may have been deleted.", id=str(agent_id))


class AgentNameTakenError(ConflictError):
    """Another agent of the tenant has this name."""

    code = "AGENT_NAME_TAKEN"

    def __init__(self, name: str) -> None:
        super().__init__("Another agent has this name; choose a different one.", name=name)


class UnknownKnowledgeBaseError(InvalidInputError):
    """The caller can read no such knowledge base; the query `knowledgeBases` lists the available ones."""

    code = "UNKNOWN_KNOWLEDGE_BASE"

    def __init__(self, base_id: UUID, index: int) -> None:
        path = ("knowledgeBaseIds", str(index))
        super().__init__("You can read no such knowledge base; it may have been deleted.", path=path, id=str(base_id))


class AgentChangedError(ConflictError):
    """The agent has another version than the caller expects."""

    code = "AGENT_CHANGED"

    def __init__(self, agent_id: UUID, *, expected: int, current: int) -> None:
        super().__init__(
            "The agent was changed since you read it; read it again and repeat what you want to change.",
            agent_id=str(agent_id),
            expected=expected,
            current=current,
        )


class NotAnAgentFileError(InvalidInputError):
    """The content is not an agent file."""

    code = "NOT_AN_AGENT_FILE"
