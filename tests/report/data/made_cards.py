"""Dataset cards as ingestion writes them."""

from contract.facts import ImageFacts, Rejection
from contract.settings import DataSettings
from ingestion.dataset_card import make_card
from ingestion.duplicates import DuplicateReport
from ingestion.records import Source

NO_DUPLICATES = DuplicateReport(
    num_groups=0, num_images=0, different_labels=(), across_splits=(), dropped=()
)


def make_data_card(rejected=(), duplicates=NO_DUPLICATES, source="/home/me/x rays.zip", known=True):
    images = [
        ImageFacts(
            image_id=split,
            split=split,
            label=0,
            subtype="normal",
            patient_id=split,
            patient_known=known,
            height=30,
            width=40,
            pixel_sha256=split,
        )
        for split in ("train", "validation", "test")
    ]
    return make_card(
        Source("zip", source, ()),
        DataSettings(),
        "abc123",
        images,
        [Rejection(image_id=name, reason=reason) for name, reason in rejected],
        duplicates,
        {},
    )
