"""Sums in a question: finding them, and working them out within bounds."""

import ast
import math
import re
from collections.abc import Callable

WRITTEN = (
    (re.compile(r"\bplus\b|加上?|＋"), "+"),
    (re.compile(r"\bminus\b|减去?|－|−"), "-"),
    (re.compile(r"\btimes\b|\bmultiplied by\b|乘以?|×|·"), "*"),
    (re.compile(r"\bdivided by\b|\bover\b|除以|÷"), "/"),
    (re.compile(r"\bto the power of\b|\^"), "**"),
    (re.compile(r"(?<=\d),(?=\d{3}\b)"), ""),
)
DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}")
SUM = re.compile(r"[-(\s]*\d[\d.()\s*/%+-]*\d[)\s]*|\d")
OPERATOR = re.compile(r"[\d)]\s*(?:\*\*|[-+*/%])\s*[-(]*\s*\d")
ASKED = re.compile(
    r"what|how much|how many|comput|calculat|evaluat|solve|work out|result|=|多少|几|计算|算|等于|求", re.IGNORECASE
)

OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: math.pow,
}
LARGEST = 1e15


def sum_in(question: str) -> str | None:
    """Return the arithmetic expression that a question asks to work out, as Python writes it, or None."""
    text = DATE.sub(" ", question)
    for written, sign in WRITTEN:
        text = written.sub(sign, text)
    candidates = [match.strip() for match in SUM.findall(text) if OPERATOR.search(match)]
    expression = max(candidates, key=len, default="")
    bare = len(expression) >= len(text.strip(" ?？=.。")) - 1
    if not expression or not (bare or ASKED.search(question)) or value_of(expression) is None:
        return None
    return re.sub(r"\s*(\*\*|[-+*/%])\s*", r" \1 ", expression).strip().replace("( - ", "(-")


def value_of(expression: str) -> str | None:
    """Work an expression out; None when it is none, or goes beyond the bounds."""
    try:
        value = evaluate(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return None
    return str(int(value)) if value == int(value) else f"{value:.10g}"


def evaluate(node: ast.expr) -> float:
    """Work out a tree of numbers and operators.

    Raises:
        ValueError: There is something else in it, or a number is too large.
    """
    match node:
        case ast.Constant(value=int() | float() as value):
            result: float = value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            result = -evaluate(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            result = OPERATORS[type(op)](evaluate(left), evaluate(right))
        case _:
            raise ValueError(node)
    if not abs(result) <= LARGEST:
        raise ValueError(result)
    return result
