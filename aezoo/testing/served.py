"""What the other process of a check does: ``python -m aezoo.testing.served``, one request a line."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from aezoo import registry
from aezoo.testing.result import one_line
from aezoo.testing.saving import train, use
from aezoo.testing.subject import Subject


def serve() -> None:
    """Answers one request a line: null, or the reason why it could not be done."""
    # what a model prints must not be taken for an answer
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            request = json.loads(line)
            reason: str | None = None
            try:
                if request["do"] == "use":
                    use(request["path"], request["rows"], request["out"])
                else:
                    train(Subject(registry.models[request["model"]], Path(folder)), request["out"])
            except KeyboardInterrupt:
                return
            except BaseException as error:
                reason = one_line(f"{type(error).__name__}: {error}")
            answers.write(json.dumps(reason) + "\n")
            answers.flush()


if __name__ == "__main__":
    serve()
