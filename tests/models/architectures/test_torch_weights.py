import collections
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from contract.errors import InputError
from models.architectures.torch_weights import read_torch_weights

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C


class Global:
    """Pickled as a reference to a name, as PyTorch's own classes are."""

    def __init__(self, module: str, name: str, arguments: tuple = ()) -> None:
        self.module, self.name, self.arguments = module, name, arguments


class Storage:
    def __init__(self, values: np.ndarray, kind: str = "FloatStorage") -> None:
        self.values, self.kind = values, kind


class Pickler(pickle._Pickler):
    """Writes what PyTorch's `torch.save` wrote before version 1.6."""

    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            kind = Global("torch", obj.kind)
            return ("storage", kind, str(id(obj)), "cpu", len(obj.values), None)
        return None

    def save_global_name(self, obj):
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        if obj.arguments:
            self.save(obj.arguments)
            self.write(pickle.REDUCE)

    dispatch = pickle._Pickler.dispatch | {Global: save_global_name}


def tensor(storage: Storage, offset=0, shape=(3,), strides=(1,)) -> Global:
    hooks = collections.OrderedDict()
    arguments = (storage, offset, shape, strides, False, hooks)
    return Global("torch._utils", "_rebuild_tensor_v2", arguments)


def write(path: Path, content, storages=(), magic=MAGIC_NUMBER, little_endian=True) -> Path:
    with path.open("wb") as file:
        for part in (magic, 1001, {"little_endian": little_endian}, content):
            Pickler(file, 2).dump(part)
        Pickler(file, 2).dump([str(id(storage)) for storage in storages])
        for storage in storages:
            file.write(len(storage.values).to_bytes(8, "little") + storage.values.tobytes())
    return path


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "weights.pth"


@pytest.fixture
def storage() -> Storage:
    return Storage(np.arange(6, dtype="<f4"))


def test_tensors_are_views_of_their_storages(path, storage):
    counts = Storage(np.array([7], "<i8"), "LongStorage")
    content = {
        "rows": tensor(storage, 0, (2, 3), (3, 1)),
        "columns": tensor(storage, 0, (3, 2), (1, 3)),
        "last": tensor(storage, 4, (2,), (1,)),
        "steps": tensor(counts, 0, (), ()),
    }
    read = read_torch_weights(write(path, content, [storage, counts]))
    np.testing.assert_array_equal(read["rows"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(read["columns"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(read["last"], [4, 5])
    assert read["steps"] == 7
    assert (read["rows"].dtype, read["steps"].dtype) == (np.float32, np.int64)


def test_nothing_is_called_that_is_no_tensor(path, storage, tmp_path):
    mark = tmp_path / "mark"
    call = Global(os.system.__module__, "system", (f"touch {mark}",))
    with pytest.raises(InputError, match=r"asks for posix\.system, which is not a tensor"):
        read_torch_weights(write(path, {"good": tensor(storage), "bad": call}, [storage]))
    assert not mark.exists()
    # Python's own unpickler calls it.
    write(path, {"bad": call})
    with path.open("rb") as file:
        for _ in range(4):
            pickle.Unpickler(file).load()
    assert mark.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch", "HalfStorage"),
        ("torch._utils", "_rebuild_parameter"),
        ("collections", "Counter"),
        ("torch.collections", "OrderedDict"),
    ],
)
def test_only_four_names_are_known(path, module, name):
    with pytest.raises(InputError, match=rf"asks for {module}\.{name}"):
        read_torch_weights(write(path, {"a": Global(module, name, ("1",))}))


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (7,), (1,)),
        (4, (3,), (1,)),
        (0, (2, 3), (4, 1)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (-1,), (1,)),
        (0, (2, 2), (1,)),
        (0, (7,), (0,)),
    ],
)
def test_no_tensor_reaches_beyond_its_storage(path, storage, offset, shape, strides):
    content = {"a": tensor(storage, offset, shape, strides)}
    with pytest.raises(InputError, match=r"beyond its storage|than its storage|impossible shape"):
        read_torch_weights(write(path, content, [storage]))


def test_other_files_are_refused_with_the_reason(path, storage):
    path.write_bytes(b"no pickle")
    with pytest.raises(InputError, match=r"saved before PyTorch 1\.6, got another file"):
        read_torch_weights(path)
    with pytest.raises(InputError, match=r"first numbers are not PyTorch's"):
        read_torch_weights(write(path, {}, magic=1))
    with pytest.raises(InputError, match=r"big-endian"):
        read_torch_weights(write(path, {}, little_endian=False))
    for content in ([tensor(storage)], {"a": 1}, {1: tensor(storage)}):
        with pytest.raises(InputError, match=r"not a dictionary of tensors"):
            read_torch_weights(write(path, content, [storage]))


@pytest.mark.parametrize("kept", [0, 1, 20, 100, 200, 260, -1])
def test_a_file_that_ends_too_early_is_refused(path, storage, kept):
    whole = write(path, {"a": tensor(storage)}, [storage]).read_bytes()
    path.write_bytes(whole[:kept])
    with pytest.raises(InputError, match="got another file"):
        read_torch_weights(path)


def test_a_storage_of_another_length_is_refused(path, storage):
    write(path, {"a": tensor(storage)}, [storage])
    longer = path.read_bytes().replace((6).to_bytes(8, "little"), (5).to_bytes(8, "little"))
    path.write_bytes(longer)
    with pytest.raises(InputError, match="5 elements in place of 6"):
        read_torch_weights(path)
