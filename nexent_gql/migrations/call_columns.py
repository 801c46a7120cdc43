"""Columns that the tables of finished and of open model calls share.

Migrations 0014 and 0016 create tables with them, so they must not change: alter the tables in a new migration.
"""

import sqlalchemy as sa


def identity_columns() -> list[sa.Column[object]]:
    """Return the columns that say which model was called, when, and for whom."""
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model_name", sa.String(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
    ]


def usage_columns() -> list[sa.Column[object]]:
    """Return the columns that say what a call was for, and how many tokens it used."""
    return [
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
    ]
