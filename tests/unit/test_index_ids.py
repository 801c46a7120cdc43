"""Ids of the same object in different indexes are different, and lead back to it."""

from nexent_gql.domains.knowledge.index_ids import INDEX_NUMBERS, database_id, index_id
from nexent_gql.kernel.ids import new_id


def test_ids_of_an_object_in_different_indexes_lead_back_to_it() -> None:
    ids = [new_id() for _ in range(20)]
    places = {index_id(id_, number): (id_, number) for id_ in ids for number in range(INDEX_NUMBERS)}
    assert len(places) == len(ids) * INDEX_NUMBERS
    assert {key: database_id(key) for key in places} == places


def test_the_first_index_has_the_ids_of_the_database() -> None:
    id_ = new_id()
    assert index_id(id_, 0) == id_
