import pytest
import torch

from napari_qpm.physics import one_thread


def test_the_number_of_threads_comes_back_even_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="stop"), one_thread():
        assert torch.get_num_threads() == 1
        raise ValueError("stop")
    assert torch.get_num_threads() == before
