import pytest
import torch

from napari_qpm.physics import one_thread


def test_the_number_of_threads_comes_back_even_after_an_error():
    before = torch.get_num_threads()
    inside = []

    def fail_in_one_thread():
        with one_thread():
            inside.append(torch.get_num_threads())
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail_in_one_thread()
    assert inside == [1]
    assert torch.get_num_threads() == before
