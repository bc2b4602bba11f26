import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import statistics_pb2

from report.data.statistics import FILE, FeatureSummary, read_statistics


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / FILE
        path.write_bytes(content.SerializeToString())
        return path

    return write


def test_what_tfdv_found_is_told_by_feature(write):
    columns = {
        "height": [10, 20, 30, 40, 100],
        "subtype": ["viral", "viral", "viral", "normal", "normal"],
        "image_id": ["a", "b", "c", "d", "e"],
        "patient_id": ["p", "p", "q", "r", "s"],
    }
    statistics = tfdv.generate_statistics_from_dataframe(pd.DataFrame(columns), n_jobs=1)
    assert read_statistics(write(statistics)) == [
        FeatureSummary("height", 5, 0, "from 10 to 100, median 30"),
        FeatureSummary("image_id", 5, 0, "5 different values"),
        FeatureSummary("patient_id", 5, 0, "p (2), q (1), r (1) and 1 more"),
        FeatureSummary("subtype", 5, 0, "viral (3), normal (2)"),
    ]


def test_missing_values_are_counted(write):
    frame = pd.DataFrame({"subtype": ["viral", None, "viral", None], "label": [0, 1, 1, 0]})
    statistics = tfdv.generate_statistics_from_dataframe(frame, n_jobs=1)
    found = {each.name: each for each in read_statistics(write(statistics))}
    assert (found["subtype"].num_present, found["subtype"].num_missing) == (2, 2)
    assert found["label"].num_missing == 0


def test_long_and_empty_values_are_shortened(write):
    frame = pd.DataFrame({"name": ["x" * 99, "x" * 99, ""]})
    statistics = tfdv.generate_statistics_from_dataframe(frame, n_jobs=1)
    (summary,) = read_statistics(write(statistics))
    assert summary.values == f"{'x' * 39}… (2), (empty) (1)"


def test_images_are_told_by_their_bytes(write):
    text = """datasets { num_examples: 3 features { path { step: "image_bytes" } type: BYTES
      bytes_stats { common_stats { num_non_missing: 3 } min_num_bytes: 900 max_num_bytes: 12345
      } } }"""
    content = text_format.Parse(text, statistics_pb2.DatasetFeatureStatisticsList())
    (summary,) = read_statistics(write(content))
    assert summary == FeatureSummary("image_bytes", 3, 0, "from 900 to 12,345 bytes")


def test_statistics_of_nothing_are_an_error(write):
    with pytest.raises(ValueError, match="expected one data set"):
        read_statistics(write(statistics_pb2.DatasetFeatureStatisticsList()))
