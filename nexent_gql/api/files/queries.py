"""Queries of files."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.values import OrderDirection
from nexent_gql.api.files.inputs import FileFilterInput, FileOrder, FileOrderField
from nexent_gql.api.files.loaders import file_row
from nexent_gql.api.files.types import File, FileQuota
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, find_node, page_request
from nexent_gql.domains.files.filters import FileFilter
from nexent_gql.kernel.page import BY_ACTIVITY, BY_CREATION

_Id = Annotated[strawberry.ID, strawberry.argument(description="ID of the File.")]
_Filter = Annotated[FileFilterInput | None, strawberry.argument(description="Which files to return. Null returns all.")]
_Order = Annotated[
    FileOrder | None,
    strawberry.argument(
        description="Order of the list. Default CREATED_AT, newest first, also for null. A cursor is valid only for "
        "the field it was created with."
    ),
]


@strawberry.type
class FileQueries:
    @strawberry.field(
        description="Returns one of your files; null if it does not exist or is not yours.",
        permission_classes=[SignedIn],
    )
    async def file(self, info: Info, id: _Id) -> File | None:
        row = await find_node(info, file_row, id, "File")
        return File.of(row) if row else None

    @strawberry.field(description="Lists your files, newest first by default.", permission_classes=[SignedIn])
    async def files(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: _Filter = None,  # noqa: A002 - an argument of the schema
        order_by: _Order = None,
    ) -> Connection[File]:
        actor, service = info.context.actor, info.context.services.files
        conditions = filter.to_filter() if filter else FileFilter()
        order = order_by or FileOrder()
        kind = BY_ACTIVITY if order.field is FileOrderField.UPDATED_AT else BY_CREATION
        request = page_request(first, after, last, before, kind)
        page = await service.page(actor, request, conditions, ascending=order.direction is OrderDirection.ASC)
        return connection(page, File.of, count=lambda: service.count(actor, conditions))

    @strawberry.field(
        description="Returns your tenant's file quota and how much of it is used.", permission_classes=[SignedIn]
    )
    async def file_quota(self, info: Info) -> FileQuota:
        service = info.context.services.files
        return FileQuota.of(await service.usage(info.context.actor), service.limits.max_bytes)
