"""The images that the benchmark of memory against their number draws."""

from contract import features
from models.input_data import count_classes, find_files
from models.streamed_split import open_stream
from tools.benchmarks.training_scale import draw_splits


def test_more_images_are_the_same_files_again(tmp_path):
    for number in (1000, 6000):
        draw_splits(tmp_path, number)
        folders = [
            tmp_path / str(number) / split for split in (features.TRAIN, features.VALIDATION)
        ]
        files = [find_files([f"{folder}/*"]) for folder in folders]
        assert 250 * sum(map(len, files)) == number
    assert len(files[1]) == round(0.05 * 6000 / 250)
    assert count_classes(files[0][:4]) == (250, 750)
    assert len(list((tmp_path / "drawn").iterdir())) == 4
    stream = open_stream([f"{folders[1]}/*"], 128)
    (first, *_) = stream.chunks()
    assert first.images.shape == (250, 128, 128, 1)
    assert set(first.subtypes) <= set(features.SUBTYPES)
