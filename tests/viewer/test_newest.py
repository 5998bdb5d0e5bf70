import threading

import pytest

from napari_qpm.viewer.newest import NewestFirst

WAIT_S = 10.0
NEVER_S = 1000.0


class Seen:
    """Keeps what was worked on, and waits until it was."""

    def __init__(self):
        self.requests = []
        self._news = threading.Condition()

    def work(self, request, token):
        with self._news:
            self.requests.append(request)
            self._news.notify_all()

    def wait_for(self, request):
        with self._news:
            return self._news.wait_for(lambda: request in self.requests, WAIT_S)


@pytest.fixture
def seen():
    return Seen()


@pytest.fixture
def make(seen):
    made = []

    def make_one(settle_s, **options):
        made.append(NewestFirst(seen.work, settle_s, "test", **options))
        return made[-1]

    yield make_one
    for one in made:
        one.close()
        assert one.wait(WAIT_S)


def test_of_a_burst_only_the_newest_is_worked_on(seen, make):
    worker = make(0.2)

    for request in range(5):
        worker.ask(request)

    assert seen.wait_for(4)
    assert seen.requests == [4]


def test_an_eager_one_starts_with_a_jump_and_lets_a_motion_settle(seen, make):
    worker = make(NEVER_S, is_eager=True)

    worker.ask("jump")
    assert seen.wait_for("jump")
    worker.ask("moving")

    # Still waiting for a newer one; closing must not wait for that.
    assert not worker.is_idle
    assert seen.requests == ["jump"]


def test_one_that_waits_is_forgotten(seen, make):
    worker = make(0.05)

    worker.ask("old")
    worker.forget()
    worker.ask("new")

    assert seen.wait_for("new")
    assert seen.requests == ["new"]
