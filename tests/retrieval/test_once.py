"""What an engine learns from a recording is learned once."""

import numpy as np

from napari_qpm.acquisition import Acquisition, Modality
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval.demodulation import Demodulator
from napari_qpm.retrieval.off_axis_engine import FourierEngine
from napari_qpm.retrieval.once import OncePerAcquisition
from napari_qpm.specimens import simulate


def recording(level: int) -> Acquisition:
    frames = np.full((2, 1, 8, 8), level, np.uint8)
    return Acquisition.from_array(frames, modality=Modality.OFF_AXIS)


def test_the_same_acquisition_is_looked_at_once_and_another_anew():
    seen = []

    def level_of(acquisition: Acquisition) -> int:
        seen.append(acquisition)
        return int(acquisition.read(0)[0, 0, 0])

    level = OncePerAcquisition(level_of)
    first, second = recording(1), recording(2)

    assert [level(one) for one in (first, first, second, second, first)] == [
        1,
        1,
        2,
        2,
        1,
    ]
    assert seen == [first, second, first]


def test_frames_one_at_a_time_demodulate_their_reference_once(monkeypatch):
    acquisition = simulate("off-axis", n_frames=2, shape=(256, 256)).acquisition
    assert acquisition.reference is not None
    engine, token = FourierEngine(), CancelToken()
    resolved = engine.resolve(acquisition, token)
    together = engine.retrieve(
        np.stack([resolved.read(0), resolved.read(1)]), resolved, token
    )
    asked = []
    field = Demodulator.field

    def counted(self, frames, workers=2):
        asked.append(frames)
        return field(self, frames, workers)

    monkeypatch.setattr(Demodulator, "field", counted)

    alone = [engine.retrieve(resolved.read(t)[None], resolved, token) for t in (0, 1)]

    assert not any(frames is resolved.reference for frames in asked)
    assert len(asked) == 2
    for t, one in enumerate(alone):
        np.testing.assert_allclose(one.read(0), together.read(t), atol=1e-5)
