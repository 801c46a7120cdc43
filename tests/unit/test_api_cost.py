"""How many objects an answer may hold."""

import pytest
from graphql import OperationDefinitionNode, parse

from nexent_gql.api.limits.cost import FieldTable, count_nodes, read_sizes, size_variables
from tests.support.stopwatch import Stopwatch

SDL = """
type Query {
  me: User
  users(first: Int, last: Int, after: String): UserConnection!
  nodes(ids: [ID!]!): [Node]!
  search: [Result!]!
}
type Mutation { rename(name: String!): Renamed! }
type Subscription { changes: User! }
union Result = User | Group
union Renamed = User | Group
interface Node { id: ID! }
type Group implements Node { id: ID! users(first: Int): UserConnection! }
type User implements Node {
  id: ID!
  name: String!
  tags: [String!]!
  groups: [Group!]!
  friends(first: Int): UserConnection!
  visits(last: Int! = 50): [User!]!
}
type UserConnection { edges: [UserEdge!]! nodes: [User!]! pageInfo: PageInfo! totalCount: Int! }
type UserEdge { node: User! cursor: String! }
type PageInfo { hasNextPage: Boolean! }
"""
TABLE = FieldTable(SDL)


def count(text: str, **variables: object) -> int:
    document = parse(text)
    operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    sizes = read_sizes(operation, size_variables(document), variables)
    (count,) = count_nodes(TABLE, document, [operation], sizes, list_size=10)
    return count


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("{ me { name tags } }", 1),
        ("{ me { groups { id } } }", 11),
        ("{ users { totalCount } }", 0),
        ("{ users { edges { node { id } } } }", 20),
        ("{ users(first: 3) { edges { cursor node { id } } pageInfo { hasNextPage } } }", 3),
        ("{ users(first: 3) { nodes { id groups { id } } } }", 33),
        ("{ users(last: 7) { edges { node { id } } } }", 7),
        ("{ users(first: 2468) { edges { node { id } } } }", 100),
        ("{ users(first: -1) { edges { node { id } } } }", 100),
        ("{ users(first: 99999999999999999999) { edges { node { id } } } }", 100),
        ("{ users(first: 10) { edges { node { friends(first: 5) { edges { node { id } } } } } } }", 60),
        ('{ nodes(ids: ["a", "b"]) { id ... on Group { users(first: 4) { edges { node { id } } } } } }', 10),
        ("{ search { ... on User { groups { id } } ... on Group { id } } }", 110),
        ("{ me { visits { id } } }", 51),
        ("{ me { visits(last: 3) { id } } }", 4),
        ("{ a: me { name } b: me { name } }", 2),
        ("{ me { ...F friends(first: 2) { edges { node { ...F } } } } } fragment F on User { groups { id } }", 33),
        ('mutation { rename(name: "x") { ... on User { groups { id } } } }', 11),
        ("subscription { changes { name } }", 1),
        ("{ __typename __schema { types { name } } }", 0),
    ],
)
def test_counts_what_page_sizes_allow(text: str, nodes: int) -> None:
    assert count(text) == nodes


@pytest.mark.parametrize(
    ("variables", "nodes"),
    [
        ({}, 5),
        ({"n": 2}, 2),
        ({"n": None}, 20),
        ({"n": "x"}, 100),
        ({"n": 1_000}, 100),
        ({"n": True}, 1),
        ({"n": 2.5}, 100),
    ],
)
def test_reads_sizes_from_variables(variables: dict[str, object], nodes: int) -> None:
    assert count("query ($n: Int = 5) { users(first: $n) { edges { node { id } } } }", **variables) == nodes


def test_reads_the_number_of_ids() -> None:
    assert count("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=["a"] * 7) == 7


def test_fragments_are_counted_once_each() -> None:
    bodies = [f"fragment F{n} on User {{ a: groups {{ id }} ...F{n + 1} ...F{n + 1} }}" for n in range(80)]
    text = " ".join(["{ me { ...F0 } }", *bodies, "fragment F80 on User { name }"])
    watch = Stopwatch()
    assert count(text) == 1 + 10 * (2**80 - 1)
    assert watch.processor_s() < 0.2
