import itertools
from collections import defaultdict

import numpy as np
import pytest

from components.transform import Executor, Transform, _Processor, batch_images
from contract import features
from contract.settings import DataSettings, PipelineSettings, SyntheticSettings, TransformSettings
from ingestion.conversion import convert
from ingestion.open_source import open_source
from ingestion.synthetic import write_synthetic_set
from ingestion.tfrecord_file import read_folder
from models.input_data import compression, find_files, read_chunks
from models.preprocessing import decode_and_resize
from tools.benchmarks.nodes import build_dag, input_artifacts, run_node

SIDE_PX = 32


@pytest.fixture(scope="module")
def transformed(tmp_path_factory):
    """Folders of raw records and of what the node makes of them."""
    folder = tmp_path_factory.mktemp("transform")
    settings = PipelineSettings(
        data=DataSettings(num_shards=2, synthetic=SyntheticSettings(num_images=40)),
        transform=TransformSettings(image_size_px=SIDE_PX),
    )
    drawn = write_synthetic_set(folder / "drawn", settings.data.synthetic)
    source = open_source(str(drawn), folder, settings.data)
    convert(source, settings.data, folder / "records", settings.beam.pipeline_args)
    dag = build_dag(settings, folder / "records", folder)
    inputs = input_artifacts(folder / "records", folder)
    run_node(dag, "Transform", inputs, folder / "node", settings.beam.pipeline_args)
    return folder / "records", folder / "node" / "transformed_examples"


@pytest.mark.slow
@pytest.mark.parametrize("split", [features.TRAIN, features.VALIDATION])
def test_what_it_writes_is_not_compressed_and_holds_the_pixels_that_are_served(transformed, split):
    raw, made = transformed
    files = find_files([f"{made}/Split-{split}/*"])
    assert files
    assert {path.rpartition(".")[2] for path in files} == {"tfrecord"}
    assert compression(files) == ""
    expected = {
        record.text(features.IMAGE_ID): decode_and_resize(
            record.data(features.IMAGE_BYTES), TransformSettings(image_size_px=SIDE_PX)
        ).numpy()
        for record in read_folder(raw / split)
    }
    got = defaultdict(list)
    for chunk in read_chunks(files, SIDE_PX):
        for image_id, image in zip(chunk.image_ids, chunk.images, strict=True):
            got[image_id].append(image)
    assert got.keys() == expected.keys()
    for image_id, images in got.items():
        (image,) = images
        np.testing.assert_array_equal(image, expected[image_id])


def test_records_of_tfx_own_node_are_still_read():
    assert compression(["transformed_examples-00000-of-00001.gz"]) == "GZIP"


@pytest.mark.parametrize(
    ("record_bytes", "images"), [(100, 128), (35_000, 59), (2_000_000, 1), (50_000_000, 1)]
)
def test_a_batch_has_as_many_images_as_a_cluster_can_pass_on(record_bytes, images):
    assert batch_images([bytes(record_bytes)] * 3) == images


def test_a_batch_follows_the_mean_of_the_first_records():
    records = itertools.chain([bytes(10_000), bytes(90_000)] * 32, [bytes(9_000_000)])
    assert batch_images(records) == 41
    assert batch_images([]) == 1


@pytest.mark.slow
def test_the_node_asks_beam_for_such_batches(transformed):
    raw, _ = transformed
    records = (record.serialized for record in read_folder(raw / features.TRAIN))
    # The node that ran here left it.
    assert _Processor()._GetDesiredBatchSize(None, None) == batch_images(records) > 1


def test_it_is_the_node_that_tfx_knows_by_that_name():
    assert Transform.EXECUTOR_SPEC.executor_class is Executor
    assert Transform.get_class_type() == "components.transform.Transform"
