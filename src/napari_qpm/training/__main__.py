"""``python -m napari_qpm.training RECIPE --out FOLDER``: train without the plugin.

Progress goes to the error stream; the last line of the output is the result as JSON.
"""

import json
import logging
import signal
import sys
from collections.abc import Sequence

from napari_qpm.errors import JobCancelled, QPMError
from napari_qpm.jobs import CancelToken
from napari_qpm.training.command import make_parser, result_values, train_as_asked

__all__ = ["main"]

EXIT_ERROR, EXIT_CANCELLED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says, and return the exit status."""
    options = make_parser("python -m napari_qpm.training").parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr
    )
    token = CancelToken()
    stops = (signal.SIGINT, signal.SIGTERM)
    earlier = [signal.signal(stop, lambda *_: token.cancel()) for stop in stops]
    try:
        result = train_as_asked(options, token)
    except JobCancelled:
        sys.stderr.write(f"Stopped. Go on with --resume --out {options.out}\n")
        return EXIT_CANCELLED
    except QPMError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_ERROR
    finally:
        for stop, handler in zip(stops, earlier, strict=True):
            signal.signal(stop, handler)
    sys.stdout.write(json.dumps(result_values(result)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
