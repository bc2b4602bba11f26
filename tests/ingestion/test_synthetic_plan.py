from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from contract.features import BACTERIAL, NORMAL, VIRAL
from contract.settings import SyntheticSettings
from ingestion.synthetic_plan import plan_images


@given(
    num_images=st.integers(24, 300),
    pneumonia_fraction=st.floats(0.001, 0.999),
    seed=st.integers(0, 2**40),
)
def test_counts_names_and_patients(num_images: int, pneumonia_fraction: float, seed: int):
    settings = SyntheticSettings(
        num_images=num_images, pneumonia_fraction=pneumonia_fraction, seed=seed
    )
    images = plan_images(settings)
    assert len(images) == len({image.path for image in images}) == num_images
    assert [image.index for image in images] == list(range(num_images))

    counts = Counter(image.subtype for image in images)
    assert set(counts) == {NORMAL, BACTERIAL, VIRAL}
    asked = min(max(num_images * pneumonia_fraction, 2), num_images - 1)
    assert abs(counts[BACTERIAL] + counts[VIRAL] - asked) <= 0.5

    of_patient = defaultdict(list)
    for image in images:
        of_patient[image.patient].append(image)
    for group in of_patient.values():
        assert 1 <= len(group) <= 3
        assert len({image.subtype for image in group}) == 1


def test_names_tell_class_cause_and_patient():
    images = plan_images(SyntheticSettings(num_images=200))
    patients_by_name = defaultdict(set)
    for image in images:
        folder, name = image.path.removeprefix("train/").split("/")
        if image.subtype == NORMAL:
            assert folder == "NORMAL"
            patients_by_name[name.rsplit("-", 1)[0]].add(image.patient)
        else:
            assert folder == "PNEUMONIA"
            assert {BACTERIAL: "bacteria", VIRAL: "virus"}[image.subtype] in name
            patients_by_name[name.split("_")[0]].add(image.patient)
    assert all(len(patients) == 1 for patients in patients_by_name.values())
    assert len(patients_by_name) == len({image.patient for image in images}) < 200


def test_plan_follows_the_seed():
    first, second = (plan_images(SyntheticSettings(num_images=50, seed=seed)) for seed in (1, 2))
    assert first == plan_images(SyntheticSettings(num_images=50, seed=1))
    assert first != second
