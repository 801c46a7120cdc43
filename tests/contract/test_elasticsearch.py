"""What search relies on in a real Elasticsearch, where `make engines` has fetched it."""

import pytest
import urllib3

from tests.support.elasticsearch import ElasticsearchUnderTest

pytestmark = pytest.mark.timeout(240)  # the first test waits for the node


def test_it_wants_a_password_except_for_open_indexes(elasticsearch: ElasticsearchUnderTest) -> None:
    right = urllib3.make_headers(basic_auth=f"{elasticsearch.user}:{elasticsearch.password}")
    wrong = urllib3.make_headers(basic_auth=f"{elasticsearch.user}:wrong")
    closed, free = elasticsearch.new_prefix(), elasticsearch.new_prefix(is_open=True)
    with urllib3.PoolManager(timeout=30, retries=False) as pool:

        def create(name: str, headers: dict[str, str] | None = None) -> int:
            return pool.request("PUT", f"{elasticsearch.url}/{name}", headers=headers).status

        assert create(closed, right) == 200
        assert create(f"{closed}-2", wrong) == 401
        assert create(f"{closed}-2") == 401
        assert create(free) == 200
