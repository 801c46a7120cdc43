"""Documents that try to make a server work, each with the code of its refusal."""


def nested_fragments(count: int) -> str:
    bodies = [f"fragment F{n} on Toy {{ ...F{n + 1} ...F{n + 1} }}" for n in range(count)]
    return " ".join(["{ toys { edges { node { ...F0 } } } }", *bodies, f"fragment F{count} on Toy {{ name }}"])


HOSTILE = {
    "nested fragments": (nested_fragments(20), "QUERY_TOO_COMPLEX"),
    "many nested fragments": (nested_fragments(90), "QUERY_TOO_COMPLEX"),
    "cyclic fragments": (
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "deep": ("{toys{edges{node" * 5 + "{id}" + "}}}" * 5, "QUERY_TOO_COMPLEX"),
    "operations": (" ".join(f"query q{n}{{__typename}}" for n in range(400)), "QUERY_TOO_COMPLEX"),
    "empty selections": ("{" + " ".join(f"a{n}:toys{{}}" for n in range(300)) + "}", "QUERY_TOO_COMPLEX"),
    "directives on directives": ("{hello} directive @b " + "@b " * 900 + "on FIELD", "GRAPHQL_VALIDATION_FAILED"),
    "very deep": ("{a" * 900 + "}" * 900, "GRAPHQL_PARSE_FAILED"),
    "braces": ("{" * 1_900, "GRAPHQL_PARSE_FAILED"),
    "lists in literals": ("{hello(name:" + "[" * 1_900 + "]" * 50, "GRAPHQL_PARSE_FAILED"),
    "aliases": ("{" + " ".join(f"a{n}:hello" for n in range(600)) + "}", "QUERY_TOO_COMPLEX"),
    "aliases below": ("{toys{" + " ".join(f"a{n}:totalCount" for n in range(600)) + "}}", "QUERY_TOO_COMPLEX"),
    "repeated fields": ("{toys{" + "edges{cursor}" * 450 + "}}", "QUERY_TOO_COMPLEX"),
    "directives": ("{hello" + "@skip(if:false)" * 200 + "}", "QUERY_TOO_COMPLEX"),
    "unknown directives": ("{hello" + "@aa" * 900 + "}", "QUERY_TOO_COMPLEX"),
    "unknown fields": ("{toys{" + " ".join(f"a{n}" for n in range(1_900)) + "}}", "GRAPHQL_VALIDATION_FAILED"),
    "tokens": ("{" + "hello " * 5_000 + "}", "GRAPHQL_PARSE_FAILED"),
    "a name of 60 kB": ("{" + "a" * 60_000 + "}", "GRAPHQL_VALIDATION_FAILED"),
    "a document of 900 kB": ("{" + "a" * 900_000 + "}", "QUERY_TOO_COMPLEX"),
    "a document of 900 kB of tokens": ("{a " * 300_000, "QUERY_TOO_COMPLEX"),
    "introspection below itself": (
        "{__schema{types{fields{type" + "{fields{type" * 8 + "{name}" + "}}" * 8 + "}}}}",
        "QUERY_TOO_COMPLEX",
    ),
    "introspection of 8 levels": (
        "{__schema{types{fields{type" + "{fields{type" * 2 + "{name}" + "}}" * 2 + "}}}}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a number of 5,000 digits": ("{toys(first:" + "9" * 5_000 + "){totalCount}}", "GRAPHQL_VALIDATION_FAILED"),
    "variables": (
        "query(" + " ".join(f"$v{n}:Int" for n in range(450)) + "){hello}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "pages in pages": (
        "{toys(first:100){edges{node{toys(first:100){edges{node{toys(first:100){edges{node{id}}}}}}}}}}",
        "COST_LIMIT_EXCEEDED",
    ),
}
