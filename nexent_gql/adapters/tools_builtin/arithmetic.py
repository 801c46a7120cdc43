"""Arithmetic expressions: read by Python's parser, worked out node by node, nothing else is understood."""

import ast
import math
from collections.abc import Callable

Number = int | float
MAX_BITS = 10_000
_MAX_DEPTH = 100
_MAX_COUNT = 1_000
_MAX_DECIMALS = 400
_CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {
    ast.UAdd: lambda value: value,
    ast.USub: lambda value: -value,
}
_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
}


class ArithmeticFailure(Exception):  # noqa: N818 - an expected outcome, reported to the author of the expression
    """The expression has no value; the message explains why, without a full stop."""


def work_out(expression: str) -> str:
    """Return the value as text: integers in full, other numbers with 15 significant digits.

    Raises:
        ArithmeticFailure: Not an expression, not arithmetic, not defined, or too large.
    """
    try:
        tree = ast.parse(expression.strip().replace("^", "**"), mode="eval")  # 2^3, as people write it
        value = _value(tree.body, 0)
    except SyntaxError as error:
        raise ArithmeticFailure(f"this is not an arithmetic expression ({error.msg})") from None
    except (RecursionError, MemoryError):
        raise ArithmeticFailure("this is nested too deeply") from None
    except ZeroDivisionError:
        raise ArithmeticFailure("this divides by zero") from None
    except OverflowError:
        raise ArithmeticFailure("the result is too large") from None
    except (ValueError, TypeError) as error:
        raise ArithmeticFailure(f"this is not defined ({error})") from None
    return str(value) if isinstance(value, int) else f"{value:.15g}"


def _value(node: ast.expr, depth: int) -> Number:
    if depth > _MAX_DEPTH:
        raise ArithmeticFailure("this is nested too deeply")
    if isinstance(node, ast.Constant):
        return _bounded(_literal(node))
    if isinstance(node, ast.Name) and node.id in _CONSTANTS:
        return _CONSTANTS[node.id]
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_value(node.operand, depth + 1))
    if isinstance(node, ast.BinOp):
        return _bounded(_binary(node.op, _value(node.left, depth + 1), _value(node.right, depth + 1)))
    if isinstance(node, ast.Call) and not node.keywords:
        return _bounded(_call(node, depth))
    raise ArithmeticFailure(f"{ast.unparse(node)[:60]!r} is not arithmetic")


def _literal(node: ast.Constant) -> Number:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise ArithmeticFailure(f"{ast.unparse(node)[:60]!r} is not a number")
    return node.value


def _binary(sign: ast.operator, left: Number, right: Number) -> Number:
    if isinstance(sign, ast.Pow):
        return _power(left, right)
    if type(sign) not in _BINARY:
        raise ArithmeticFailure("only + - * / // % ** are understood")
    return _BINARY[type(sign)](left, right)


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int):
        if exponent > 0 and base.bit_length() * exponent > MAX_BITS:
            raise OverflowError
        return base**exponent
    return math.pow(base, exponent)


def _bounded(value: Number) -> Number:
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise OverflowError
    if isinstance(value, float) and not math.isfinite(value):
        raise OverflowError
    return value


def _small(function: Callable[..., int]) -> Callable[..., int]:
    """Limit operations whose results are much larger than their arguments."""

    def bounded(*arguments: Number) -> int:
        if any(not isinstance(argument, int) for argument in arguments):
            raise ArithmeticFailure("this function takes whole numbers")
        if any(argument > _MAX_COUNT for argument in arguments):
            raise OverflowError
        return function(*arguments)

    return bounded


def _round(value: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or abs(digits) > _MAX_DECIMALS:
        raise ArithmeticFailure("round takes a number and how many decimals")
    return round(value, digits) if digits else round(value)


def _log(value: Number, base: Number = math.e) -> float:
    return math.log(value) if base == math.e else math.log(value, base)


def _absolute(value: Number) -> Number:
    return abs(value)


def _largest(*values: Number) -> Number:
    return max(values)


def _smallest(*values: Number) -> Number:
    return min(values)


def _total(*values: Number) -> Number:
    return sum(values)


_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "abs": _absolute,
    "ceil": math.ceil,
    "comb": _small(math.comb),
    "cos": math.cos,
    "degrees": math.degrees,
    "exp": math.exp,
    "factorial": _small(math.factorial),
    "floor": math.floor,
    "gcd": math.gcd,
    "lcm": math.lcm,
    "log": _log,
    "log10": math.log10,
    "log2": math.log2,
    "max": _largest,
    "min": _smallest,
    "perm": _small(math.perm),
    "radians": math.radians,
    "round": _round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "sum": _total,
    "tan": math.tan,
}


def _call(node: ast.Call, depth: int) -> Number:
    if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS:
        raise ArithmeticFailure(f"there is no function {ast.unparse(node.func)[:60]!r}")
    arguments = [_value(argument, depth + 1) for argument in node.args]
    try:
        return _FUNCTIONS[node.func.id](*arguments)
    except TypeError:
        raise ArithmeticFailure(f"{node.func.id} does not take these arguments") from None
