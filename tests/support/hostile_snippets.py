"""Code that means harm: what it tries, and how it must end."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Hostile:
    """`ends` is "stopped" (a limit was broken), "refused" (an error in the code), or "harmless" (it gets nothing).

    `says` is part of the error, or of what is printed when harmless.
    """

    name: str
    code: str
    ends: Literal["stopped", "refused", "harmless"]
    says: str = ""


EXHAUSTION = [
    Hostile("endless-loop", "while True: pass", "stopped"),
    Hostile("endless-loop-in-try", "while True:\n  try:\n    while True: pass\n  except: pass", "stopped"),
    Hostile("endless-function", "def f():\n  while True: pass\nf()", "stopped"),
    Hostile("endless-sum", "sum(range(10**12))", "stopped"),
    Hostile("endless-any", "any(i < 0 for i in range(10**12))", "stopped"),
    Hostile("endless-product", "import itertools\nfor _ in itertools.product(range(1000), repeat=5): pass", "stopped"),
    Hostile("endless-cycle", "import itertools\nfor _ in itertools.cycle([1]): pass", "stopped"),
    Hostile("endless-sort", "while True: sorted(range(100_000), key=lambda x: -x)", "stopped"),
    Hostile("endless-sleep", "import time\nwhile True: time.sleep(3600)", "stopped"),
    Hostile("endless-wait-for-clock", "import time\nend = time.time() + 5\nwhile time.time() < end: pass", "stopped"),
    Hostile("endless-unknown-calls", "while True:\n  try: nothing()\n  except NameError: pass", "stopped"),
    Hostile("huge-power", "x = 7 ** 10 ** 8", "stopped"),
    Hostile("huge-shift", "x = 1 << (8 * 10**9)", "stopped"),
    Hostile("huge-product", "x = 3\nwhile True: x *= x", "stopped"),
    Hostile("huge-factorial", "import math\nmath.factorial(10**7)", "stopped"),
    Hostile("huge-int-as-text", "str(10 ** 100_000)", "refused", "digits"),
    Hostile("huge-text-as-int", "int('9' * 5_000_000)", "refused", "digits"),
    Hostile("huge-list", "x = [0] * 10**9", "stopped"),
    Hostile("huge-list-grown", "x = []\nwhile True: x.append('x' * 1000)", "stopped"),
    Hostile("huge-string", "'x' * 10**10", "stopped"),
    Hostile("huge-string-grown", "x = 'x'\nwhile True: x += x", "stopped"),
    Hostile("huge-replace", "('a' * 10_000_000).replace('a', 'b' * 1000)", "stopped"),
    Hostile("huge-join", "('x' * 1_000_000).join(['y'] * 10_000)", "stopped"),
    Hostile("huge-padding", "f'{1:>9999999999}'", "stopped"),
    Hostile("huge-range-list", "list(range(10**10))", "stopped"),
    Hostile("huge-dict", "d = {}\ni = 0\nwhile True:\n  d[i] = str(i)\n  i += 1", "stopped"),
    Hostile("huge-result", "'x' * 40_000_000", "harmless"),
    Hostile("huge-argument", "nothing('x' * 40_000_000)", "refused", "not defined"),
    Hostile("aliased-result", "a = [1] * 10\nfor _ in range(9): a = [a] * 10\na", "harmless"),
    Hostile("aliased-print", "a = [1] * 10\nfor _ in range(9): a = [a] * 10\nprint(a)", "stopped"),
    Hostile("deep-result", "a = []\nfor _ in range(100_000): a = [a]\na", "harmless"),
    Hostile("deep-print", "a = []\nfor _ in range(100_000): a = [a]\nprint(a)", "harmless"),
    Hostile("cyclic-result", "a = []\na.append(a)\na", "harmless"),
    Hostile("deep-recursion", "def f(n): return f(n + 1)\nf(0)", "refused", "RecursionError"),
    Hostile("mutual-recursion", "f = lambda n: g(n)\ng = lambda n: f(n)\nf(0)", "refused", "RecursionError"),
    Hostile("deep-source", "x = " + "(" * 40_000 + ")" * 40_000, "refused"),
    Hostile("deep-unary", "x = " + "-" * 50_000 + "1", "refused"),
    Hostile("deep-brackets-in-eval", "eval('[' * 40_000 + ']' * 40_000)", "refused"),
    Hostile("long-source", "x = 1\n" * 20_000, "refused", "longer than"),
    Hostile("output-flood", "while True: print('x' * 1000)", "stopped"),
    Hostile("output-in-one", "print('x' * 50_000_000)", "stopped", "printed"),
    Hostile("error-flood", "raise ValueError('x' * 10_000_000)", "refused", "xxx"),
    Hostile("regex-backtracking", "import re\nre.match('(a+)+$', 'a' * 5000 + 'b')", "harmless"),
    Hostile("regex-nested", "import re\nre.match('(([a-z])+.)+[A-Z]([a-z])+$', 'a' * 10_000)", "harmless"),
    Hostile("regex-huge-repeat", "import re\nre.compile('(((a{1000}){1000}){1000}){1000}')", "refused"),
    Hostile("json-bomb", "import json\njson.loads('[' * 100_000)", "refused"),
    Hostile("decimal-power", "from decimal import Decimal\nDecimal(9) ** Decimal(10) ** 7", "refused"),
]

ESCAPES = [
    Hostile("read-file", "open('/etc/passwd').read()", "refused", "PermissionError"),
    Hostile("write-file", "open('/tmp/x', 'w').write('x')", "refused", "PermissionError"),
    Hostile("read-own-memory", "open('/proc/self/environ').read()", "refused", "PermissionError"),
    Hostile("pathlib", "import pathlib\npathlib.Path('/etc/passwd').read_text()", "refused", "PermissionError"),
    Hostile("list-files", "import os\nos.listdir('/')", "refused", "PermissionError"),
    Hostile("environment", "import os\nos.environ['PATH']", "refused", "not supported"),
    Hostile("getenv", "import os\nos.getenv('PATH')", "refused"),
    Hostile("os-system", "import os\nos.system('id')", "refused", "AttributeError"),
    Hostile("os-popen", "import os\nos.popen('id')", "refused", "AttributeError"),
    Hostile("os-kill", "import os\nos.kill(1, 9)", "refused", "AttributeError"),
    Hostile("os-fork", "import os\nwhile True: os.fork()", "refused", "AttributeError"),
    Hostile("subprocess", "import subprocess\nsubprocess.run(['id'])", "refused", "ModuleNotFoundError"),
    Hostile("socket", "import socket\nsocket.create_connection(('127.0.0.1', 80))", "refused", "ModuleNotFoundError"),
    Hostile("urllib", "import urllib.request", "refused", "ModuleNotFoundError"),
    Hostile("ctypes", "import ctypes\nctypes.string_at(0)", "refused", "ModuleNotFoundError"),
    Hostile("importlib", "import importlib\nimportlib.import_module('os')", "refused", "ModuleNotFoundError"),
    Hostile("pickle", "import pickle", "refused", "ModuleNotFoundError"),
    Hostile("builtins", "import builtins\nbuiltins.open('/etc/passwd')", "refused", "ModuleNotFoundError"),
    Hostile("threading", "import threading", "refused", "ModuleNotFoundError"),
    Hostile("dunder-import", "__import__('os').system('id')", "refused", "not defined"),
    Hostile("sys-modules", "import sys\nsys.modules['os']", "refused", "AttributeError"),
    Hostile("frame-walk", "import sys\nsys._getframe().f_back.f_globals", "refused", "AttributeError"),
    Hostile("subclass-walk", "().__class__.__mro__[1].__subclasses__()", "refused", "AttributeError"),
    Hostile("subclass-walk-by-type", "type(()).__bases__[0].__subclasses__()", "refused", "AttributeError"),
    Hostile("function-globals", "(lambda: 0).__globals__['__builtins__']", "refused", "AttributeError"),
    Hostile("function-code", "(lambda: 0).__code__", "refused", "AttributeError"),
    Hostile("format-attributes", "'{0.__class__.__mro__}'.format(())", "refused", "AttributeError"),
    Hostile("format-globals", "def f(): pass\n'{0.__globals__}'.format(f)", "refused", "AttributeError"),
    Hostile("fstring-attributes", "f'{().__class__.__base__}'", "refused", "AttributeError"),
    Hostile("getattr-dunder", "getattr((), '__cla' + 'ss__')", "refused", "AttributeError"),
    Hostile(
        "exception-frames", "try: 1/0\nexcept Exception as e: e.__traceback__.tb_frame", "refused", "AttributeError"
    ),
    Hostile("builtin-self", "print.__self__.open('/etc/passwd')", "refused", "AttributeError"),
    Hostile("eval", "eval(\"__import__('os').system('id')\")", "refused", "not defined"),
    Hostile("exec", "exec('import subprocess')", "refused", "ModuleNotFoundError"),
    Hostile("compile", "compile('import os', '', 'exec')", "refused", "not defined"),
    Hostile("globals", "globals()['__builtins__']", "refused", "not defined"),
    Hostile("vars", "vars()", "refused", "not defined"),
    Hostile("breakpoint", "breakpoint()", "refused", "not defined"),
    Hostile("input", "input()", "refused", "not defined"),
    Hostile("function-attributes-of-tool", "echo.__globals__", "refused"),
    Hostile("host-of-tool", "echo.__call__.__self__", "refused"),
    Hostile("random-to-os", "import random\nrandom._os.system('id')", "refused", "AttributeError"),
    Hostile("re-to-sys", "import re\nre._compiler.sys.modules", "refused", "AttributeError"),
    Hostile("json-to-codecs", "import json\njson.codecs.open('/etc/passwd')", "refused", "AttributeError"),
    Hostile("decorator-rce", "@eval\n@'__import__(\"os\")'.format\nclass A: pass", "refused"),
    Hostile("catch-the-limit", "try:\n  while True: pass\nexcept BaseException: print('free')", "stopped"),
    Hostile("catch-the-memory", "try:\n  x = 'x' * 10**10\nexcept BaseException: x = 0\nprint('free')", "stopped"),
    Hostile("finally-the-limit", "try:\n  while True: pass\nfinally:\n  while True: pass", "stopped"),
    Hostile("tool-flood", "while True:\n  try: echo('x')\n  except Exception: pass", "stopped", "more than 100 times"),
    Hostile("tool-with-huge-argument", "echo('x' * 10_000_000)", "refused", "too large"),
    Hostile("tool-with-deep-argument", "a = []\nfor _ in range(10_000): a = [a]\necho(a)", "refused", "too large"),
    Hostile("tool-with-strange-names", "echo(**{'__class__': 1, '': 2})", "harmless"),
]
HOSTILE = [*EXHAUSTION, *ESCAPES]
