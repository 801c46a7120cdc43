"""Tenants, users, groups and credentials. No column contains a usable secret."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Column, ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field

from nexent_gql.db.base import Table, TenantRow, timestamp
from nexent_gql.db.search import keep_folded
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Role

UNIQUE_EMAIL = "uq_user_account_email_key"
"""The constraint that is violated when two requests take an address at the same time."""
UNIQUE_GROUP_NAME = "uq_user_group_name_key"
"""The constraint that is violated when a tenant has a group of the same name."""


class Theme(StrEnum):
    """The colours that a user prefers."""

    LIGHT = "LIGHT"
    DARK = "DARK"


class Tenant(Table, table=True):
    """A customer's isolated space with its users, agents, models and keys."""

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str
    created_at: datetime = timestamp(default_now=True)


class UserAccount(TenantRow, table=True):
    """A person in one tenant.

    `email_key` is the address in the form for comparisons, unique in the whole installation, because it identifies a
    user at sign-in. Without a `password_hash` sign-in by password is impossible. The row of a deactivated user and its
    address are kept, because other rows refer to it. `temporary_until` is set while the password is temporary: it
    expires then, and signing in with it requires a new one. `name_key` is the display name as searches compare it.
    `language` (BCP 47) and `theme` are kept for the user's clients; the server does not use them.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("email_key", name=UNIQUE_EMAIL),
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
        CheckConstraint("role IN ('OWNER', 'ADMIN', 'DEVELOPER', 'MEMBER')", name="role"),
        Index("ix_user_account_page", "tenant_id", "created_at", "id"),
    )

    email: str
    email_key: str
    display_name: str
    role: str = Field(default=Role.MEMBER)
    password_hash: str | None = None
    name_key: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    time_zone: str | None = None
    language: str | None = None
    theme: str | None = None
    temporary_until: datetime | None = timestamp()
    updated_at: datetime = timestamp(default_now=True)
    deactivated_at: datetime | None = timestamp()


keep_folded(UserAccount, "display_name", "name_key")


class UserGroup(TenantRow, table=True):
    """A set of users of a tenant, with which objects are shared. `name_key` is the name as comparisons use it."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "name_key", name=UNIQUE_GROUP_NAME),
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
        Index("ix_user_group_page", "tenant_id", "created_at", "id"),
    )

    name: str
    name_key: str = ""
    updated_at: datetime = timestamp(default_now=True)


keep_folded(UserGroup, "name", "name_key")


class GroupMember(Table, table=True):
    """A user is in a group."""

    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "group_id"], ["user_group.tenant_id", "user_group.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["user_account.tenant_id", "user_account.id"]),
        Index("ix_group_member_user", "tenant_id", "user_id"),
    )

    group_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)
    tenant_id: UUID
    created_at: datetime = timestamp(default_now=True)


class AuthSession(TenantRow, table=True):
    """A sign-in on a device: a family of refresh tokens, and their access tokens.

    Refresh tokens are not stored: each is a keyed hash of the session and of its number in the family, and
    `generation` is the number of the only one that may still be exchanged. `rotated_at` is the time of its creation,
    which also extends `expires_at`; expired rows are deleted. `revoked_reason` is
    SIGNED_OUT, TOKEN_REUSED, DEACTIVATED, ENDED or PASSWORD_CHANGED.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["user_account.tenant_id", "user_account.id"]),
        Index("ix_auth_session_user", "tenant_id", "user_id"),
    )

    user_id: UUID
    generation: int = 0
    rotated_at: datetime = timestamp(default_now=True)
    expires_at: datetime = timestamp()
    revoked_at: datetime | None = timestamp()
    revoked_reason: str | None = None
    client_ip: str | None = None
    user_agent: str | None = None


class ApiKey(TenantRow, table=True):
    """A long-lived credential of a user for programs.

    `key_id` is the public part for display and lookup, unique in the whole installation; `secret_hash` is the keyed
    hash of the whole key. `last_used_at` is exact to a minute.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("key_id"),
        ForeignKeyConstraint(["tenant_id", "user_id"], ["user_account.tenant_id", "user_account.id"]),
        Index("ix_api_key_page", "tenant_id", "created_at", "id"),
        Index("ix_api_key_user", "tenant_id", "user_id"),
    )

    user_id: UUID
    name: str
    key_id: str
    secret_hash: bytes
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    expires_at: datetime | None = timestamp()
    last_used_at: datetime | None = timestamp()
    revoked_at: datetime | None = timestamp()


class SignInThrottle(Table, table=True):
    """Counter of sign-in or sign-up attempts until `reset_at`; no further attempt is permitted before `next_at`.

    `key` is a keyed hash of account and address, of the account, or of the address. Only work across tenants sees this
    table, because the caller is not authenticated yet.
    """

    __table_args__ = (Index("ix_sign_in_throttle_reset", "reset_at"),)

    key: bytes = Field(primary_key=True)
    attempts: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    reset_at: datetime = timestamp()
    next_at: datetime | None = timestamp()
