"""What is promised before a run begins: every message that will be sent, and how its run has to end.

Claims are written to a file first, and the history is judged by nothing else.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from pydantic import TypeAdapter

from nexent_gql.kernel.json import dumps
from tests.support.fake_provider_steps import Drop, Stall, Status, Step, Text, Tool

KINDS = {"plain": 46, "tool": 22, "busy": 8, "refused": 4, "cut": 6, "late": 4, "stopped": 6, "silent": 4}
"""Kinds of claims, and how often of 100."""
CODE_KINDS = {"code": 3, "code_fails": 1}
"""Kinds of claims for the agent that writes code, and how often of 4."""
CODE_SHARE = 0.2
"""How many conversations are with that agent."""
CODE_TURNS = 8
"""A snippet whose process was killed is written again, so often at most."""
TOOL_WORDS = 4
MAX_RETRIES = 5
BETWEEN_STEPS = "\n\n"
"""What an agent puts between the texts of two steps."""


@dataclass(frozen=True)
class Claim:
    """One message and its answer.

    Attributes:
        client_id: Sent with the message; also the name of the provider's script.
        conversation: Claims of one number are sent to one conversation, in order.
        question: The message; no other one has its first word.
        turns: What the provider plays, turn by turn.
        answer: The whole text of the answer when nobody stops it.
        endings: The statuses the run may end in, with error codes: `SUCCEEDED`, `FAILED MODEL_OVERLOADED`.
        calls: How often one attempt may call the provider, all turns together.
        agent: "text" or "code": which agent is asked.
        stop_after: The client stops the run when it has seen so many events; None: never.
    """

    client_id: str
    kind: str
    conversation: int
    question: str
    turns: list[list[Step]]
    answer: str
    endings: list[str]
    calls: int
    agent: str = "text"
    stop_after: int | None = None


CLAIM = TypeAdapter(Claim)


def make_claims(seed: int, runs: int) -> Sequence[Claim]:
    """Make the claims of a seed; three in four are the first of a conversation."""
    random = Random(f"claims of {seed}")  # noqa: S311 - to be repeated, not to be secret
    conversation = 0
    claims: list[Claim] = []
    kinds = KINDS
    for number in range(runs):
        if number == 0 or random.random() < 0.75:
            conversation += 1
            kinds = CODE_KINDS if random.random() < CODE_SHARE else KINDS
        kind = random.choices(list(kinds), list(kinds.values()))[0]
        claims.append(_claim(f"s{seed}n{number}q", kind, conversation, random))
    return claims


def write_claims(path: Path, claims: Sequence[Claim]) -> None:
    """Write one JSON object a line."""
    path.write_bytes(b"".join(dumps(asdict(claim)) + b"\n" for claim in claims))


def read_claims(path: Path) -> Sequence[Claim]:
    """Read what `write_claims` wrote."""
    return [CLAIM.validate_json(line) for line in path.read_bytes().splitlines()]


def _claim(name: str, kind: str, conversation: int, random: Random) -> Claim:
    pace = random.choice([10.0, 20.0, 40.0])
    text = " ".join(f"{name}{n}" for n in range(random.randint(12, 50)))
    reply_text = Text(text, tokens_per_s=pace)
    first = " ".join(f"{name}a{n}" for n in range(TOOL_WORDS)) + " "
    tool = [Text(first, tokens_per_s=pace), Tool("calculator", {"expression": "6*7"})]
    turns: dict[str, Sequence[Sequence[Step]]] = {
        "plain": [[reply_text]],
        "tool": [[*tool], [reply_text]],
        "busy": [[Status(503, times=1), reply_text]],
        "refused": [[Status(503, retry_after="0")]],
        "cut": [[reply_text, Drop()]],
        "late": [[Stall(1.5), reply_text]],
        "stopped": [[Text(text * 3, tokens_per_s=15)]],
        "silent": [[Stall()]],
        "code": [[_code(LOOP)], *[[_code(f"{LOOP}final_answer('{name} ' + str(total))")]] * CODE_TURNS],
        "code_fails": [[_code(f"{LOOP}raise ValueError('wrong')")], *[[_code(f"final_answer('{name}')")]] * CODE_TURNS],
    }
    answers = {"tool": f"{first}{BETWEEN_STEPS}{text}", "refused": "", "silent": "", "stopped": text * 3}
    answers |= {"code": f"{name} {LOOP_TOTAL}", "code_fails": name}
    return Claim(
        client_id=name,
        kind=kind,
        conversation=conversation,
        question=f"{name}: a question of kind {kind}",
        turns=[[*steps] for steps in turns[kind]],
        answer=answers.get(kind, text),
        endings=ENDINGS.get(kind, ["SUCCEEDED"]),
        calls={"tool": 2, "busy": 2, "refused": MAX_RETRIES, "code": 2, "code_fails": 2}.get(kind, 1),
        agent="code" if kind in CODE_KINDS else "text",
        stop_after={"stopped": 4, "silent": 1}.get(kind),
    )


LOOP = "total = 0\nfor number in range(1_500_000):\n    total += number\n"
"""About a second of work."""
LOOP_TOTAL = sum(range(1_500_000))


def _code(code: str) -> Text:
    return Text(f"I compute.\n<code>\n{code}\n</code>")


ENDINGS = {
    "refused": ["FAILED MODEL_OVERLOADED"],
    "cut": ["FAILED MODEL_STREAM_BROKEN"],
    "stopped": ["STOPPED", "SUCCEEDED"],
    "silent": ["STOPPED"],
}
