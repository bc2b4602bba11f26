"""The section `site_calibration` of the configuration: when another site's images suffice."""

from __future__ import annotations

from pydantic import Field

from contract.settings_base import Fraction, OpenFraction, Settings


class SiteCalibrationSettings(Settings):
    """What a site's images must show before its threshold is changed.

    `docs/site-calibration.md` says what each is for, and what it was measured on.
    """

    min_images: int = Field(200, ge=50)  # without labels
    # Expected images of each class, at the less favourable end of the prevalence's interval.
    min_expected_cases: int = Field(20, ge=5)
    max_prevalence_width: Fraction = 0.2  # of its 95% interval
    # Between two estimates of the prevalence, by posteriors and by shape. More counts as a
    # contradiction where chance explains less.
    max_prevalence_gap: Fraction = 0.03
    # Between the prevalence with and without an acquisition shift. Where it is larger, the scores
    # of another population look like a shift.
    max_prevalence_correction: Fraction = 0.2
    # Root mean square difference of cumulative shares that is passed over even where so many
    # images were given that chance explains less.
    max_shape_distance: Fraction = 0.015
    min_labelled_images: int = Field(100, ge=20)
    interval_width: OpenFraction = 0.05  # of the recall's 95% interval, to plan labelling for
    num_resamples: int = Field(400, ge=100)
    batch_size: int = Field(16, ge=1, le=1024)  # images per request to the model
    seed: int = Field(0, ge=0)  # of the resamples
