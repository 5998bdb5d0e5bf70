"""How many threads torch computes with."""

import contextlib
from collections.abc import Iterator

import torch

__all__ = ["one_thread"]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let CPU work run in one thread.

    Specimens and small windows are thousands of small operations: a second thread gains
    a fifth, but on a machine that does other work, too, waiting for it makes them ten
    times slower.
    """
    present = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(present)
