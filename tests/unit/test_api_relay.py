"""Global ids and paging arguments."""

from base64 import b64encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.api.pipeline.refusals import InvalidIdError
from nexent_gql.api.schema.relay import global_id, node_id, page_request, parse_id
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.page import PageRequest

KEY = UUID("0190a1b2-c3d4-7e5f-8091-a2b3c4d5e6f7")


@given(st.uuids())
def test_ids_come_back(key: UUID) -> None:
    assert parse_id(global_id("Agent", key), "Agent") == key


@given(st.text())
def test_garbage_is_no_id(text: str) -> None:
    assert parse_id(text, "Agent") is None


@pytest.mark.parametrize(
    "raw",
    [
        f"Agent:{KEY.hex}",
        f"Agent:{{{KEY}}}",
        f"Agent:{str(KEY).upper()}",
        f"Agent:{KEY} ",
        "Agent:",
        str(KEY),
        f":{KEY}",
    ],
)
def test_an_id_has_one_spelling(raw: str) -> None:
    assert parse_id(b64encode(raw.encode()).decode(), "Agent") is None


def test_a_wrong_id_names_its_field() -> None:
    with pytest.raises(InvalidIdError) as caught:
        node_id(global_id("Model", KEY), "Agent", "agentId")
    assert (caught.value.path, caught.value.details) == (("agentId",), {"expected": "Agent"})


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, PageRequest(size=20)),
        (0, None, PageRequest(size=0)),
        (100, None, PageRequest(size=100)),
        (None, 5, PageRequest(size=5, backward=True)),
    ],
)
def test_reads_page_sizes(first: int | None, last: int | None, expected: PageRequest) -> None:
    assert page_request(first, None, last, None) == expected


@given(st.integers() | st.none(), st.text() | st.none(), st.integers() | st.none(), st.text() | st.none())
def test_odd_paging_is_refused_with_a_code(
    first: int | None, after: str | None, last: int | None, before: str | None
) -> None:
    refused = None
    try:
        request = page_request(first, after, last, before)
    except InvalidInputError as error:
        refused = error.path
    else:
        assert 0 <= request.size <= 100
    assert refused is None or refused[0] in ("first", "after", "last", "before")
