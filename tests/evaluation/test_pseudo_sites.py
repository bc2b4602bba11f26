import numpy as np
import pytest

from evaluation.pseudo_sites import (
    NUMBERED,
    OTHER_NAMES,
    exposure_cuts,
    exposure_groups,
    pseudo_site_of,
)


@pytest.mark.parametrize(
    ("image_id", "site"),
    [
        ("chest_xray/train/NORMAL/IM-0115-0001.jpeg", "IM"),
        ("IM-0429-0001-0002.jpeg", "IM"),
        ("train/NORMAL/NORMAL2-IM-0381-0001.jpeg", "NORMAL2-IM"),
        ("NORMAL2-IM-1103-0001-0002.jpeg", "NORMAL2-IM"),
        ("person1_virus_11.jpeg", "person_virus"),
        ("a/person1000_bacteria_2931.jpeg", "person_bacteria"),
        ("00000013_005.png", NUMBERED),
        ("scan 12.dcm", "scan"),
        ("CR12.dcm", "CR"),
        ("site-a_chest-004", "site-a_chest"),
        ("e3b0c442-98fc.png", OTHER_NAMES),
        ("room3_scan_12.png", OTHER_NAMES),
        ("margaret.png", OTHER_NAMES),
        ("", OTHER_NAMES),
    ],
)
def test_names_lose_the_numbers_that_count_images(image_id, site):
    assert pseudo_site_of(image_id) == site


def test_exposure_is_cut_into_thirds():
    greys = np.arange(9.0)
    groups = exposure_groups(greys, exposure_cuts(greys))
    assert groups == ["dark"] * 3 + ["medium"] * 3 + ["bright"] * 3


def test_cuts_of_other_images_can_be_applied_and_a_cut_is_in_the_brighter_group():
    assert exposure_groups([99.9, 100.0, 150.0], (100.0, 150.0)) == ["dark", "medium", "bright"]


def test_no_images_have_no_cuts():
    with pytest.raises(ValueError, match="at least one image, got none"):
        exposure_cuts([])
