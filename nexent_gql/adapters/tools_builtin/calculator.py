"""Work out arithmetic, within bounds of time and size."""

from pydantic import Field

from nexent_gql.adapters.tools_builtin.arithmetic import ArithmeticFailure, work_out
from nexent_gql.adapters.tools_builtin.tool import Arguments, Tool, ToolFailure
from nexent_gql.ports.tools import ToolContext

_DESCRIPTION = """\
Work out an arithmetic expression exactly as Python would: + - * / // % ** and parentheses, pi, e, and abs, ceil, \
comb, cos, degrees, exp, factorial, floor, gcd, lcm, log, log10, log2, max, min, perm, radians, round, sin, sqrt, sum, \
tan."""


class Calculator(Arguments):
    """See `calculator`."""

    expression: str = Field(
        min_length=1, max_length=1_000, description="The expression, for example (12.5 + 7) * 3 ** 2 or sqrt(2)."
    )


def calculator() -> Tool[Calculator]:
    """Make the tool that works out arithmetic; numbers have at most 3,000 digits, decimals 15 significant ones."""

    async def run(asked: Calculator, _context: ToolContext) -> str:
        try:
            return work_out(asked.expression)
        except ArithmeticFailure as failure:
            raise ToolFailure(f"Argument 'expression': {failure}.") from None

    return Tool("calculator", _DESCRIPTION, Calculator, run)
