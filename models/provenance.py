"""Where an exported model comes from, readable from its folder alone.

The record is beside the graph, in `assets.extra`, and the signature `model_information` returns
the same. It holds no time and no path: the same model, exported again, is the same bytes, so that
a push recognises it. `python -m models.provenance FOLDER` prints it, without TensorFlow.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from contract import __version__
from contract.errors import InputError
from contract.settings import ReferralSettings
from evaluation.decision_band import DecisionBand

if TYPE_CHECKING:  # it brings scikit-learn, seconds that printing does without
    from evaluation.training_report import TrainingReport

ASSETS_EXTRA_DIR = "assets.extra"  # ignored by TensorFlow, copied and read by servers
PROVENANCE_FILE = "provenance.json"
_VERSION_DIGITS = 16
_PARTS = ("referral", "band", "site_calibration", "base_band")


class SiteCalibration(BaseModel):
    """What a model's threshold was changed by, for another site.

    No time is in it: the same images, calibrated again, are the same version.

    Attributes:
        by: Who did it and answers for it, as they named themselves.
        images: Whether the site's images were labelled.
        num_images: Images of the site that were scored.
        num_pneumonia: Those labelled pneumonia; None without labels.
        num_left_out: Files that could not be scored, or were copies of others.
        images_sha256: Digest of the scored images' content.
        prevalence: Share of pneumonia at the site, in [0, 1].
        prevalence_source: How it is known.
        recall: Of the new threshold: measured on labelled images, else expected.
        recall_low: The lower end of its 95% interval.
        specificity: As `recall`.
        specificity_low: As `recall_low`.
        base_model_version: Model version that the gate judged.
        base_threshold: Its threshold.
        base_band: Scores that it referred; None from a model that refers none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    by: str
    images: Literal["unlabelled", "labelled"]
    num_images: int
    num_pneumonia: int | None
    num_left_out: int
    images_sha256: str
    prevalence: float
    prevalence_source: Literal["estimated", "given", "counted"]
    recall: float
    recall_low: float
    specificity: float
    specificity_low: float
    base_model_version: str
    base_threshold: float
    base_band: DecisionBand | None = None


class Provenance(BaseModel):
    """Where one exported model comes from.

    Attributes:
        model_version: 16 hexadecimal digits that follow from all of the below and from the
            candidate's settings and calibration. Not the number that a push gives: a model that
            is rolled back to has two of those.
        name: The candidate's name in the configuration.
        architecture: Which network it is.
        members: Model version of each candidate that an ensemble is made of, by name; else empty.
        data_sha256: Digest of the transformed records that it was made with, by split; see
            `models.digests.split_digest`.
        weights_sha256: Digest of the networks' weights.
        code_version: Fingerprint of code and libraries; see `contract.code_version`.
        project_version: The project's release.
        seed: Of weights, order and augmentation.
        threshold: The operating point, in [0, 1].
        target_sensitivity: What the operating point was asked for.
        reaches_target: Whether the recall's lower 95% bound on validation is at least that.
        referral: Which errors `band` was chosen for; None from a model that was exported before
            cases were referred.
        band: Scores that are referred to a radiologist; None as `referral`.
        site_calibration: What `threshold` and `band` were changed by after the gate; None where
            they were not. `target_sensitivity` and `reaches_target` then still speak of the
            threshold before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_version: str
    name: str
    architecture: str
    members: dict[str, str]
    data_sha256: dict[str, str]
    weights_sha256: str
    code_version: str
    project_version: str
    seed: int
    threshold: float
    target_sensitivity: float
    reaches_target: bool
    referral: ReferralSettings | None = None
    band: DecisionBand | None = None
    site_calibration: SiteCalibration | None = None

    def facts(self) -> dict[str, str]:
        """Return everything as flat texts.

        Returns:
            Fields by their names; `data_sha256_<split>` for each split; `members` is
            "name=version, ...", or "" where there are none; `referral_<field>`, `band_<end>` and
            `site_calibration_<field>` (of its `base_band`: `site_calibration_base_band_<end>`)
            where there is such a part.
        """
        plain = self.model_dump(mode="json", exclude={"members", "data_sha256"})
        return {
            **_flat(plain),
            **{f"data_sha256_{split}": digest for split, digest in self.data_sha256.items()},
            "members": ", ".join(f"{name}={version}" for name, version in self.members.items()),
        }

    def write(self, path: Path) -> None:
        """Write the record as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Provenance:
        """Read what `write` wrote.

        Raises:
            InputError: There is no such file, or it is not such a record.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise InputError(
                f"expected the record of a model's origin at {path}, got {error.strerror}; models "
                "that were exported before there were such records have none"
            ) from error
        except ValidationError as error:
            raise InputError(
                f"expected the record of a model's origin, got {path}: {error}; export the model "
                "again"
            ) from error


def describe_origin(
    report: TrainingReport,
    *,
    data_sha256: Mapping[str, str],
    weights_sha256: str,
    code_version: str,
    members: Mapping[str, str] | None = None,
) -> Provenance:
    """Return the origin of a model that is about to be exported.

    Args:
        report: Its training and its operating point.
        data_sha256: See `Provenance`.
        weights_sha256: See `Provenance`.
        code_version: See `Provenance`.
        members: See `Provenance`; None is a model without members.
    """
    record = Provenance(
        model_version="",
        name=report.name,
        architecture=report.architecture,
        members=dict(members or {}),
        data_sha256=dict(data_sha256),
        weights_sha256=weights_sha256,
        code_version=code_version,
        project_version=__version__,
        seed=report.seed,
        threshold=report.threshold,
        target_sensitivity=report.target_sensitivity,
        reaches_target=report.reaches_target,
        referral=report.referral.settings,
        band=report.referral.band,
    )
    candidate = "" if report.candidate is None else report.candidate.model_dump_json()
    parts = (record.model_dump_json(), candidate, report.calibration.model_dump_json())
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return record.model_copy(update={"model_version": digest[:_VERSION_DIGITS]})


def describe_site_origin(
    base: Provenance,
    threshold: float,
    band: DecisionBand | None,
    site_calibration: SiteCalibration,
) -> Provenance:
    """Return the origin of a model whose threshold is changed for another site.

    Args:
        base: The model before.
        threshold: The new operating point, in [0, 1].
        band: The scores that it refers; None from a model that refers none.
        site_calibration: What it was changed by.
    """
    record = base.model_copy(
        update={
            # Of what the gate judged, so that it does not matter how often a site was calibrated.
            "model_version": site_calibration.base_model_version,
            "threshold": threshold,
            "band": band,
            "site_calibration": site_calibration,
        }
    )
    digest = hashlib.sha256(record.model_dump_json().encode()).hexdigest()
    return record.model_copy(update={"model_version": digest[:_VERSION_DIGITS]})


def _flat(parts: Mapping[str, object]) -> dict[str, str]:
    """Return texts by name; a part's fields are named `<part>_<field>`, absent parts left out."""
    texts: dict[str, str] = {}
    for name, value in parts.items():
        if isinstance(value, Mapping):
            texts |= {f"{name}_{field}": text for field, text in _flat(value).items()}
        elif value is not None or name not in _PARTS:
            texts[name] = str(value)
    return texts


def read_provenance(saved_model_dir: str | Path) -> Provenance:
    """Return the origin of an exported or pushed model.

    Args:
        saved_model_dir: Folder with `saved_model.pb`.

    Raises:
        InputError: It holds no record.
    """
    return Provenance.read(Path(saved_model_dir) / ASSETS_EXTRA_DIR / PROVENANCE_FILE)


def main(arguments: Sequence[str]) -> int:
    """Print a model's origin as JSON; return the exit code, 2 where there is none."""
    parser = argparse.ArgumentParser(
        prog="python -m models.provenance", description="Show where an exported model comes from."
    )
    parser.add_argument("folder", type=Path, help="holds saved_model.pb, e.g. a pushed version")
    try:
        print(read_provenance(parser.parse_args(arguments).folder).model_dump_json(indent=2))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
