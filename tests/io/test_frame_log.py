import json

import numpy as np
import pytest

from napari_qpm.io.frame_log import FrameLog, plain


@pytest.fixture
def path(tmp_path):
    return tmp_path / "phase.frames.jsonl"


def test_finished_frames_are_known_after_reopening(path):
    log = FrameLog(path, "a")
    log.finish("phase", 0, [70, 20], {"level": 0.5})
    log.finish("labels", 3, [9])
    again = FrameLog(path, "a")
    assert again.finished("phase") == {0: (70, 20)}
    assert again.finished("labels") == {3: (9,)}
    assert again.notes == {0: {"level": 0.5}}


def test_lines_of_earlier_versions_state_no_sizes(path):
    FrameLog(path, "a").finish("phase", 0, [7])
    with path.open("a") as file:
        file.write('{"kind": "phase", "t": 1, "done": true}\n')
    assert FrameLog(path, "a").finished("phase") == {0: (7,), 1: ()}


def test_a_broken_last_line_is_ignored_and_overwritten(path):
    FrameLog(path, "a").finish("phase", 0, [7])
    with path.open("a") as file:
        file.write('{"kind": "phase", "t": 1, "do')
    log = FrameLog(path, "a")
    assert log.finished("phase").keys() == {0}
    log.finish("phase", 2, [7])
    assert FrameLog(path, "a").finished("phase").keys() == {0, 2}
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_the_log_of_another_store_counts_for_nothing(path):
    FrameLog(path, "a").finish("phase", 0, [7])
    assert FrameLog(path, "b").finished("phase") == {}


def test_a_reopened_frame_is_unfinished_until_it_is_written_again(path):
    log = FrameLog(path, "a")
    log.finish("phase", 0, [7])
    log.reopen("phase", 0)
    assert FrameLog(path, "a").finished("phase") == {}
    log.finish("phase", 0, [7], {"shifted": 1})
    assert FrameLog(path, "a").notes == {0: {"shifted": 1}}


def test_damaged_lines_do_not_hide_the_others(path):
    FrameLog(path, "a").finish("phase", 0, [7])
    with path.open("a") as file:
        file.write("\x00\x00\n[1]\n{}\n")
    FrameLog(path, "a").finish("phase", 1, [7])
    assert FrameLog(path, "a").finished("phase").keys() == {0, 1}


def test_notes_of_any_kind_become_plain():
    value = {
        1: np.float32(0.5),
        "bad": float("nan"),
        "many": np.arange(2),
        "pair": (np.int64(1), None, True),
        "other": complex(1, 2),
    }
    assert plain(value) == {
        "1": 0.5,
        "bad": None,
        "many": [0, 1],
        "pair": [1, None, True],
        "other": "(1+2j)",
    }
