"""A supervisor to be killed: starts the engines over a folder, prints where they are, waits for Ctrl-C.

Standard library and the package only, so that any Python can run it, also as another user.
"""

import json
import sys
import time
from pathlib import Path

from nexent_gql.embedded import EngineError, EngineSet


def say(fact: object) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def main(state: Path) -> None:
    with EngineSet(state) as engines:
        try:
            say(vars(engines.start()))
            while True:
                time.sleep(0.05)
        except EngineError as error:
            say({"error": str(error)})
        except KeyboardInterrupt:
            time.sleep(0.3)  # long enough for a signal that reached the engines to show
            say(engines.poll())


main(Path(sys.argv[1]))
