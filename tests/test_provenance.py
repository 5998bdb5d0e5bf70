"""Provenance: steps serialise, and files are told apart cheaply."""

import datetime
import json

import numpy as np

from napari_qpm.provenance import Step, fingerprint, package_version, versions


def test_step_is_plain_json_with_versions_and_date():
    step = Step("retrieve", "fourier", {"order": 4})
    stored = json.loads(json.dumps(step.to_dict()))
    assert stored["name"] == "retrieve"
    assert stored["parameters"] == {"order": 4}
    assert stored["versions"]["numpy"] == np.__version__
    assert stored["versions"]["napari-qpm"] == package_version()
    date = datetime.datetime.fromisoformat(stored["date"])
    assert date.utcoffset() == datetime.timedelta(0)


def test_changing_one_step_leaves_the_versions_of_others():
    Step("open").versions["numpy"] = "0"
    assert versions()["numpy"] == np.__version__
    assert Step("open").versions["numpy"] == np.__version__


def test_fingerprint_tells_files_apart_by_head_tail_and_size(tmp_path):
    body = bytes(range(100))
    variants = {
        "same.raw": body,
        "head.raw": b"x" + body[1:],
        "tail.raw": body[:-1] + b"x",
        "longer.raw": body[:50] + b"x" + body[50:],
    }
    (tmp_path / "first.raw").write_bytes(body)
    first = fingerprint(tmp_path / "first.raw", span=10)
    first.pop("name")
    found = {}
    for name, content in variants.items():
        (tmp_path / name).write_bytes(content)
        found[name] = fingerprint(tmp_path / name, span=10)
        assert found[name].pop("name") == name
    assert found["same.raw"] == first
    assert first["bytes"] == 100
    assert all(found[name] != first for name in variants if name != "same.raw")


def test_short_file_is_hashed_whole(tmp_path):
    for name, content in (("a", b"abcdefgh"), ("b", b"abcxefgh")):
        (tmp_path / name).write_bytes(content)
    a, b = (fingerprint(tmp_path / name, span=5) for name in "ab")
    assert a["sha256_head_tail"] != b["sha256_head_tail"]


def test_folder_is_described_by_its_name(tmp_path):
    assert fingerprint(tmp_path) == {"name": tmp_path.name}
