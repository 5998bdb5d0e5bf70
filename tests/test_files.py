import pytest

from napari_qpm.errors import OutputError
from napari_qpm.files import write_atomically


@pytest.mark.parametrize("content", [b"whole", lambda file: file.write(b"whole")])
def test_bytes_and_writers_make_the_same_file(tmp_path, content):
    path = write_atomically(tmp_path / "new" / "a.txt", content)
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_writer_that_fails_keeps_the_earlier_file(tmp_path):
    path = write_atomically(tmp_path / "a.txt", b"earlier")

    def fail(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"a\.txt cannot be .* Wait a day\."):
        write_atomically(path, fail, "Wait a day.")
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]
