import contextlib
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from idx_files import coded, write_set
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError
from vestibule_models.idx import is_idx, read_idx, read_pair


@given(values=arrays(np.uint8, array_shapes(max_dims=4, max_side=6)), zipped=st.booleans())
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, values: NDArray[np.uint8], zipped: bool
) -> None:
    path = tmp_path_factory.mktemp("idx") / "a"
    path.write_bytes(gzip.compress(coded(values)) if zipped else coded(values))
    np.testing.assert_array_equal(read_idx(path), values)


@given(st.binary(max_size=40))
def test_other_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("idx") / "a"
    path.write_bytes(data)
    with contextlib.suppress(ArtifactError):
        assert coded(read_idx(path)) == data


@pytest.mark.parametrize("data", [b"", b"hello there", b"\0\0\x0d\1\0\0\0\0", b"\0\0\x08\3\0\0", b"\x1f\x8bxx"])
def test_what_is_no_idx_file_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ArtifactError, match=str(tmp_path / "a")):
        read_idx(tmp_path / "a")


@pytest.mark.parametrize("cut", [1, -1])
def test_a_length_that_is_not_the_headers_is_told(tmp_path: Path, cut: int) -> None:
    data = coded(np.zeros((2, 3), np.uint8))
    (tmp_path / "a").write_bytes(data + b"\0" if cut > 0 else data[:-1])
    with pytest.raises(ArtifactError, match=rf"says \(2, 3\) values, 6 bytes; it has {6 + cut}"):
        read_idx(tmp_path / "a")


@pytest.mark.parametrize("zipped", [False, True])
def test_pictures_and_labels_are_found_together(tmp_path: Path, zipped: bool) -> None:
    assert not is_idx(tmp_path)
    write_set(tmp_path, zipped=zipped)
    assert is_idx(tmp_path)
    images, labels = read_pair(tmp_path, "test")
    assert (images.shape, labels[:3].tolist()) == ((30, 28, 28), [0, 1, 2])


def test_missing_and_unequal_files_are_named(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(coded(np.zeros(7, np.uint8)))
    with pytest.raises(ArtifactError, match=r"train has pictures \(30, 28, 28\) and labels \(7,\)"):
        read_pair(tmp_path, "train")
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ArtifactError, match="lacks t10k-labels-idx1-ubyte"):
        read_pair(tmp_path, "test")
