"""A supervisor to be killed: starts the engines over a folder, prints where they are, waits for Ctrl-C.

With the argument `fork` it has a child that merely forked, and so shares every descriptor.

Standard library and the package only, so that any Python can run it, also as another user.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from nexent_gql.embedded import EngineError, EngineSet


def say(fact: object) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def main(state: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
    with EngineSet(state) as engines:
        try:
            urls = engines.start()
            if "fork" in sys.argv and os.fork() == 0:
                time.sleep(30)
                os._exit(0)
            say(vars(urls))
            while True:
                time.sleep(0.05)
        except EngineError as error:
            say({"error": str(error)})
        except KeyboardInterrupt:
            time.sleep(0.3)  # long enough for a signal that reached the engines to show
            say(engines.poll())


main(Path(sys.argv[1]))
