"""Ids of the same objects in the different indexes of a base.

A base has one index that searches use and, during a change of its embedding model, another one. Each has a number from
0 to 15. In the search index, bases, documents and versions have ids that contain it: the version digit of a UUID is
always 7 in our ids, so it is free to carry the number. Index 0 has the ids of the database.
"""

from uuid import UUID

INDEX_NUMBERS = 16
_SHIFT = 76


def index_id(id_: UUID, number: int) -> UUID:
    """Return the id of a base, document or version in an index."""
    return UUID(int=id_.int ^ (number << _SHIFT))


def database_id(id_: UUID) -> tuple[UUID, int]:
    """Return the id in the database and the number of the index of an id of `index_id`."""
    number = (id_.int >> _SHIFT & (INDEX_NUMBERS - 1)) ^ 7
    return index_id(id_, number), number
