"""What is left out of a history that does not fit."""

from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.engine_smolagents.window import LEFT_OUT, ContextWindow, budget_of
from nexent_gql.adapters.llm_tokens import estimate_tokens
from nexent_gql.ports.content import ImagePart, TextPart, join_text
from nexent_gql.ports.llm import ChatMessage, ModelProfile, ToolCall

WORDS = st.text("ab 汉\n", min_size=1, max_size=3_000)
SYSTEM = ChatMessage.from_text("system", "Be brief.")
HISTORY = st.lists(st.tuples(WORDS, WORDS), max_size=5)
STEPS = st.lists(st.tuples(WORDS, WORDS), max_size=3)


def messages_of(
    history: list[tuple[str, str]], question: str, steps: list[tuple[str, str]]
) -> tuple[list[ChatMessage], int]:
    """Return a run's messages, and where the question is."""
    messages = [SYSTEM]
    for earlier_question, reply in history:
        messages += [ChatMessage.from_text("user", earlier_question), ChatMessage.from_text("assistant", reply)]
    messages.append(ChatMessage.from_text("user", question))
    for number, (arguments, output) in enumerate(steps):
        call = ToolCall(f"c{number}", "add", arguments)
        messages.append(ChatMessage("assistant", (), (call,)))
        messages.append(ChatMessage.from_text("tool", output, tool_call_id=call.id))
    return messages, 1 + 2 * len(history)


@given(HISTORY, WORDS, STEPS, st.integers(1, 5_000))
def test_instructions_question_and_steps_stay_and_the_newest_turns_are_kept(
    history: list[tuple[str, str]], question: str, steps: list[tuple[str, str]], budget: int
) -> None:
    messages, question_at = messages_of(history, question, steps)
    window_messages = ContextWindow(question_at, budget).fit(messages)
    assert window_messages == ContextWindow(question_at, budget).fit(messages)
    expected_turns = len(window_messages) - 2 * len(steps) - 2
    assert window_messages[0] == SYSTEM
    assert expected_turns % 2 == 0
    assert window_messages[1].role == "user"
    assert window_messages[1].text.startswith(LEFT_OUT) == (expected_turns < 2 * len(history))
    expected = [message.text for message in messages[question_at - expected_turns : question_at + 1]]
    assert [message.text.removeprefix(LEFT_OUT) for message in window_messages[1 : expected_turns + 2]] == expected
    assert [message.role for message in window_messages[expected_turns + 2 :]] == ["assistant", "tool"] * len(steps)
    if estimate_tokens(messages) <= budget:
        assert list(window_messages) == messages


@given(HISTORY, WORDS, STEPS)
def test_halving_ends_and_each_half_is_smaller(
    history: list[tuple[str, str]], question: str, steps: list[tuple[str, str]]
) -> None:
    messages, question_at = messages_of(history, question, steps)
    window = ContextWindow(question_at)
    sizes = [estimate_tokens(window.fit(messages))]
    while window.halve(messages):
        sizes.append(estimate_tokens(window.fit(messages)))
        assert len(sizes) < 30
    assert sizes == sorted(set(sizes), reverse=True)


def test_long_outputs_of_the_run_lose_their_middle() -> None:
    output = "begin" + "x" * 100_000 + "end"
    messages, question_at = messages_of([], "Well?", [("{}", output)])
    *_, shortened = ContextWindow(question_at, 1_000).fit(messages)
    assert shortened.text.startswith("begin")
    assert shortened.text.endswith("end")
    assert "characters are left out here" in shortened.text
    assert estimate_tokens([shortened]) < 1_000


def test_chinese_and_images_count_more_than_ascii() -> None:
    chinese, ascii_ = ChatMessage.from_text("user", "汉" * 400), ChatMessage.from_text("user", "x" * 400)
    image = ChatMessage("user", (TextPart("Look"), ImagePart("image/png", data="AA==")))
    assert (estimate_tokens([chinese]), estimate_tokens([ascii_])) == (404, 104)
    assert estimate_tokens([image]) > 1_000
    assert join_text(image.parts) == "Look"


def test_the_budget_leaves_room_for_the_answer_and_is_never_nothing() -> None:
    assert budget_of(ModelProfile()) is None
    assert budget_of(ModelProfile(max_output_tokens=100)) is None
    assert budget_of(ModelProfile(context_window_tokens=100_000)) == 100_000 - 10_000 - 4_096
    for window in (1, 2, 5, 100, 4_096, 1_000_000):
        for answer in (None, 1, 100, 10_000_000):
            budget = budget_of(ModelProfile(context_window_tokens=window, max_output_tokens=answer))
            assert budget is not None
            assert 1 <= budget <= window
            assert budget >= window // 2
