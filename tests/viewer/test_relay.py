import threading

from napari_qpm.jobs import Job, JobState, Progress, Status
from napari_qpm.viewer.relay import Relay


def status(state: JobState) -> Status:
    return Status(state, None, Progress(0, 0), 0.0, None, None)


def test_progress_is_passed_on_at_most_once_an_interval():
    delivered = []
    relay = Relay(lambda call: call(), lambda: delivered.append(1), min_interval_s=60)

    for _ in range(100):
        relay(status(JobState.RUNNING))

    assert len(delivered) == 1


def test_the_last_news_of_a_burst_arrives_late_but_arrives():
    arrived = threading.Event()
    delivered = []

    def deliver():
        delivered.append(1)
        if len(delivered) == 2:
            arrived.set()

    relay = Relay(lambda call: call(), deliver, min_interval_s=0.02)
    for _ in range(20):
        relay(status(JobState.RUNNING))

    assert arrived.wait(5)
    assert len(delivered) == 2


def test_the_end_and_cancelling_are_never_held_back():
    delivered = []
    relay = Relay(lambda call: call(), lambda: delivered.append(1), min_interval_s=60)

    relay(status(JobState.RUNNING))
    relay(status(JobState.CANCELLING))
    relay(status(JobState.FINISHED))

    assert len(delivered) == 3


def test_calls_are_posted_from_the_thread_of_the_job():
    threads = []
    job = Job(lambda token, report: None)
    job.connect(Relay(lambda call: threads.append(threading.current_thread()), print))

    job.start()
    assert job.wait(5)

    assert threading.main_thread() not in threads[1:]
