import pytest

from nexent_gql.domains.knowledge.reranking import SHARE_OF_MEANING, WEIGHT, join_stages


def order(scores: list[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda at: -scores[at])


def test_a_model_that_prefers_a_language_does_not_decide_between_languages() -> None:
    model = [0.90, 0.86, 0.50, 0.40]
    scripts = ["LATIN", "LATIN", "UNSPACED", "UNSPACED"]
    equal = [0.5] * len(model)
    assert order([*join_stages(model, equal, scripts, None).joined]) == [2, 0, 1, 3]
    assert order([*join_stages(model, equal, ["LATIN"] * len(model), None).joined]) == [0, 1, 2, 3]


@pytest.mark.parametrize(("semantic_weight", "share"), [(None, WEIGHT), (0.7, 0.7 * SHARE_OF_MEANING), (0.0, 0.0)])
def test_a_model_has_a_share_of_the_meaning(semantic_weight: float | None, share: float) -> None:
    scores = join_stages([1.0, 3.0, 2.0], [0.9, 0.1, 0.3], ["LATIN"] * 3, semantic_weight)
    assert scores.model == [1.0, 3.0, 2.0]
    assert scores.parts == pytest.approx([0, share, share / 2])
    assert scores.joined == pytest.approx([1 - share, share, share / 2 + (1 - share) / 4])


def test_single_passages_of_a_script_keep_their_order() -> None:
    assert order([*join_stages([5.0, 1.0], [0.2, 0.8], ["LATIN", "UNSPACED"], None).joined]) == [1, 0]
