"""The tool `calculator`: arithmetic within bounds of time and size."""

from pydantic import Field

from nexent_gql.adapters.tools_builtin.arithmetic import ArithmeticFailure, work_out
from nexent_gql.ports.tools import ToolCallContext
from nexent_gql.toolkit import READ_ONLY, Arguments, ToolFailure, TypedTool

_DESCRIPTION = """\
Work out an arithmetic expression exactly as Python would: + - * / // % ** and parentheses, pi, e, and abs, ceil, \
comb, cos, degrees, exp, factorial, floor, gcd, lcm, log, log10, log2, max, min, perm, radians, round, sin, sqrt, sum, \
tan."""


class CalculatorArguments(Arguments):
    expression: str = Field(
        min_length=1, max_length=1_000, description="The expression, for example (12.5 + 7) * 3 ** 2 or sqrt(2)."
    )


def calculator() -> TypedTool[CalculatorArguments]:
    """Return the tool; numbers have at most 3,000 digits, decimals 15 significant ones."""

    async def run(arguments: CalculatorArguments, _context: ToolCallContext) -> str:
        try:
            return work_out(arguments.expression)
        except ArithmeticFailure as failure:
            raise ToolFailure(f"Argument 'expression': {failure}.") from None

    return TypedTool("calculator", _DESCRIPTION, CalculatorArguments, run, annotations=READ_ONLY)
