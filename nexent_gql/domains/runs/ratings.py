"""Ratings of answers, for those who develop agents."""

from nexent_gql.db.session import Database
from nexent_gql.domains.runs.rated_answers import RatedAnswer, RatingFilter
from nexent_gql.domains.runs.repository import TenantRunRepository
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Principal, Role


class RatingService:
    """Lists how all users of a tenant rated answers, without their names and messages."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(self, actor: Principal, page: PageRequest, filters: RatingFilter) -> Page[RatedAnswer]:
        """Page through the ratings of the tenant, newest answers first.

        Raises:
            ForbiddenError: The caller is no developer.
        """
        actor.require(Role.DEVELOPER)
        async with self._db.read(actor.tenant_id) as session:
            return await TenantRunRepository(session, actor.tenant_id).page_of_ratings(page, filters)

    async def count(self, actor: Principal, filters: RatingFilter) -> int:
        """Count the ratings that `page` goes through.

        Raises:
            ForbiddenError: The caller is no developer.
        """
        actor.require(Role.DEVELOPER)
        async with self._db.read(actor.tenant_id) as session:
            return await TenantRunRepository(session, actor.tenant_id).count_ratings(filters)
