"""Objects of JSON that arrive in fragments: when one is whole."""

from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.llm_http.json_text import JsonObjectText
from nexent_gql.kernel.json import loads_object

PARTS = st.lists(
    st.sampled_from(["{", "}", '"', "\\", ":", ",", "a", " ", "[", "]", '{"a":', '"\\"}"', '{"b": {}}', "1"])
)


def parses(text: str) -> bool:
    try:
        loads_object(text)
    except ValueError:
        return False
    return True


@given(PARTS)
def test_is_whole_whenever_the_text_so_far_is_an_object(fragments: list[str]) -> None:
    text, whole = JsonObjectText(), ""
    for fragment in fragments:
        text.add(fragment)
        whole += fragment
        assert text.is_whole == parses(whole), whole
    assert text.is_empty == (not whole)
