"""Measure what a site's calibration does: `python -m tools.ablation.site_calibration`.

    python -m tools.ablation.site_calibration --simulated
    python -m tools.ablation.site_calibration --model output/serving/pneumonia --data chest_xray.zip
        --also adults=adults.zip

The first draws scores of a model of known ranking at sites of known shifts. The second degrades
the test split of labelled images and takes parts of it for sites: other prevalences, naming
schemes, each stress of models/stress.py, and images that are none of the model's business. Labels
measure the frozen and the aligned threshold; the alignment does not see them. For comparison the
threshold is also chosen by the labels of some images, and measured on the others. Nothing is
pushed and nothing is tuned.

Prints a table in Markdown; --json has it for programs. Exit codes: 0 done, 2 bad input.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.command_line import EXIT_DONE, run_command
from contract.errors import InputError
from contract.long_lived import end_program
from contract.settings import GateSettings, SiteCalibrationSettings
from evaluation.calibration import fit_calibration
from evaluation.operating_point import choose_operating_point
from models.reference_scores import ReferenceScores
from pipeline.load_config import load_settings
from pipeline.settings_options import add_settings_options
from serving.site_calibration.alignment import align_scores
from serving.site_calibration.labelled import choose_for_site

_SEED = 7
_PREVALENCES = (0.2, 0.4, 0.9)
_NUM_LABELLED = 200  # that the threshold is chosen on again
_MIN_OTHERS = 20  # of each class, to measure it on
_SIDE_PX = 224  # of degraded images
_TARGET_SENSITIVITY = 0.955  # of the simulated model

Labels = NDArray[np.bool_]
Scores = NDArray[np.float32]
Row = dict[str, Any]  # a line of the table


@dataclasses.dataclass(frozen=True)
class Judge:
    """What is known of a model: the same for all sites."""

    reference: ReferenceScores
    threshold: float
    target_sensitivity: float
    settings: SiteCalibrationSettings
    gate: GateSettings

    def row(self, name: str, labels: Labels, scores: Scores) -> Row:
        """Measure one site.

        Args:
            name: The site's.
            labels: bool [n], both classes present.
            scores: float32 [n], in [0, 1].
        """
        found = align_scores(
            scores,
            self.reference,
            self.threshold,
            self.settings,
            min_recall_lower_bound=self.gate.min_recall_lower_bound,
        )
        row: Row = {
            "site": name,
            "n": labels.size,
            "prevalence": float(labels.mean()),
            "estimated": found.prevalence.value,
            "verdict": found.verdict,
            "reasons": found.reasons,
            "frozen": _figures(labels, scores, self.threshold),
            "aligned": _figures(labels, scores, found.threshold),
            "capped": found.capped,
            "expected": (found.aligned.recall.value, found.aligned.specificity.value),
        }
        order = np.random.default_rng(_SEED).permutation(labels.size)
        some, others = order[:_NUM_LABELLED], order[_NUM_LABELLED:]
        num_cases = int(labels[others].sum())
        if min(num_cases, others.size - num_cases) >= _MIN_OTHERS:
            choice = choose_for_site(
                labels[some],
                scores[some],
                self.threshold,
                self.target_sensitivity,
                self.settings,
                self.gate,
            )
            row["chosen_verdict"] = choice.verdict
            if choice.threshold is not None:
                row["chosen"] = _figures(labels[others], scores[others], choice.threshold)
        return row


def _figures(labels: Labels, scores: Scores, threshold: float) -> tuple[float, float, float]:
    called = scores >= np.float32(threshold)
    return (
        float(called[labels].mean()),
        float(1.0 - called[~labels].mean()),
        float(np.mean(called == labels)),
    )


def simulated_rows(settings: SiteCalibrationSettings, gate: GateSettings) -> Iterator[Row]:
    """Yield a row for each simulated site; a site's log-odds are scale * own + offset."""
    rng = np.random.default_rng(_SEED)

    def draw(number: int, prevalence: float, normals_moved: float = 0.0) -> tuple[Labels, Scores]:
        labels = rng.random(number) < prevalence
        noise = 1.6 * rng.standard_t(6, number)
        return labels, np.where(labels, 4.0 + 1.2 * noise, normals_moved - 4.0 + noise)

    labels, raw = draw(800, 0.73)
    calibration = fit_calibration(labels, _sigmoid(raw))
    scores = calibration.apply(_sigmoid(raw)).astype(np.float32)
    judge = Judge(
        reference=ReferenceScores.from_predictions(labels, scores),
        threshold=choose_operating_point(labels, scores, _TARGET_SENSITIVITY).threshold,
        target_sensitivity=_TARGET_SENSITIVITY,
        settings=settings,
        gate=gate,
    )
    sites = [
        ("as validation", 0.73, 1.0, 0.0, 0.0),
        ("prevalence .2", 0.2, 1.0, 0.0, 0.0),
        ("prevalence .9", 0.9, 1.0, 0.0, 0.0),
        ("log-odds +1.5", 0.73, 1.0, 1.5, 0.0),
        ("log-odds -1.5", 0.73, 1.0, -1.5, 0.0),
        ("log-odds +3", 0.73, 1.0, 3.0, 0.0),
        ("log-odds -3", 0.73, 1.0, -3.0, 0.0),
        ("log-odds x .6", 0.73, 0.6, 0.0, 0.0),
        ("log-odds x 1.5", 0.73, 1.5, 0.0, 0.0),
        ("+1.5, prevalence .3", 0.3, 1.0, 1.5, 0.0),
        ("-1.5, prevalence .3", 0.3, 1.0, -1.5, 0.0),
        ("x .6 +1, prevalence .5", 0.5, 0.6, 1.0, 0.0),
        ("normals alone +1", 0.62, 1.0, 0.0, 1.0),
        ("normals alone +2", 0.62, 1.0, 0.0, 2.0),
        ("normals alone +4", 0.62, 1.0, 0.0, 4.0),
        ("normals alone +7", 0.62, 1.0, 0.0, 7.0),
        ("no pneumonia but one in 100", 0.01, 1.0, 1.5, 0.0),
    ]
    for name, prevalence, scale, offset, moved in sites:
        labels, raw = draw(600, prevalence, moved)
        drawn = calibration.apply(_sigmoid(scale * raw + offset)).astype(np.float32)
        yield judge.row(name, labels, drawn)


def _sigmoid(log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-np.asarray(log_odds, np.float64)))


def measured_rows(options: argparse.Namespace, judge_of: Callable[[Path], Judge]) -> Iterator[Row]:
    """Yield a row for each site that is made of labelled images."""
    # Imported here: they bring TensorFlow, which the simulation does without.
    import tensorflow as tf

    from contract import features
    from evaluation.pseudo_sites import pseudo_site_of
    from ingestion.images import decode_grey, decode_image
    from ingestion.open_source import open_source
    from ingestion.splits import assign_splits
    from models.session_model import SessionModel
    from models.stress import STRESSES, stressed_images
    from serving.bisection import answer_in_batches
    from serving.push_folder import is_complete, pushed_versions, version_dir

    settings = load_settings(options.config, options.overrides).data
    model_dir = options.model
    if not is_complete(model_dir):
        versions = pushed_versions(model_dir)
        if not versions:
            raise InputError(f"expected a pushed model in {model_dir}, got none; check the path")
        model_dir = version_dir(model_dir, versions[-1])
    judge, model = judge_of(model_dir), SessionModel(model_dir)

    def row(name: str, labels: Labels, images: Sequence[bytes]) -> Row:
        scores = score(images)
        is_judged = ~np.isnan(scores)
        return judge.row(name, labels[is_judged], scores[is_judged])

    def score(images: Sequence[bytes]) -> Scores:
        """Return the scores, NaN where the model refuses an image."""
        refusal = tf.errors.InvalidArgumentError
        outcomes = answer_in_batches(images, ask, refusal, judge.settings.batch_size)
        scores = [np.nan if isinstance(outcome, refusal) else outcome for outcome in outcomes]
        if num_refused := int(np.sum(np.isnan(scores))):
            print(f"{num_refused} images refused by the model, left out", file=sys.stderr)
        return np.array(scores, np.float32)

    def ask(images: Sequence[bytes]) -> list[float]:
        answers = model.run(features.SERVING_SIGNATURE, {features.IMAGE_BYTES: images})
        return answers[features.PROBABILITY].tolist()

    def encode(pixels: NDArray[np.uint8]) -> list[bytes]:
        return [bytes(tf.io.encode_png(image).numpy()) for image in pixels]

    def read(source: str, work_dir: Path, split: str) -> tuple[list[str], Labels, list[bytes]]:
        images = open_source(source, work_dir, settings).images
        if split != "all":
            splits = assign_splits(images, settings)
            images = tuple(
                image for image, name in zip(images, splits, strict=True) if name == split
            )
        encoded = [
            decode_image(image.path.read_bytes(), settings.max_image_pixels).encoded
            for image in images
        ]
        labels = np.array([image.label == 1 for image in images])
        return [image.image_id for image in images], labels, encoded

    with tempfile.TemporaryDirectory(prefix="site-measurement-") as folder:
        names, labels, encoded = read(options.data, Path(folder) / "data", options.split)
        scores = score(encoded)
        is_judged = ~np.isnan(scores)
        names = list(itertools.compress(names, is_judged))
        encoded = list(itertools.compress(encoded, is_judged))
        labels, scores = labels[is_judged], scores[is_judged]
        yield judge.row("as it is", labels, scores)
        rng = np.random.default_rng(_SEED)
        for prevalence in _PREVALENCES:
            rows = _with_prevalence(labels, prevalence, rng)
            yield judge.row(f"prevalence {prevalence:g}", labels[rows], scores[rows])
        schemes = np.array([pseudo_site_of(name) for name in names])
        for scheme in sorted(set(schemes[~labels])):
            rows = np.flatnonzero(labels | (schemes == scheme))
            if 20 <= np.sum(~labels[rows]) < np.sum(~labels):
                yield judge.row(f"normals of {scheme} only", labels[rows], scores[rows])
        pixels = np.stack(
            [
                np.asarray(
                    decode_grey(image, _SIDE_PX).resize((_SIDE_PX, _SIDE_PX)), dtype=np.uint8
                )[..., np.newaxis]
                for image in encoded
            ]
        )
        for stress in STRESSES:
            yield row(stress, labels, encode(stressed_images(pixels, stress)))
        yield row("rotated by 90 degrees", labels, encode(np.rot90(pixels, 1, (1, 2))))
        yield row("negatives", labels, encode(255 - pixels))
        for also in options.also:
            name, _, source = also.partition("=")
            _, other_labels, other = read(source, Path(folder) / name, "all")
            yield row(name, other_labels, other)
    model.close()


def _with_prevalence(
    labels: Labels, prevalence: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    cases, normals = np.flatnonzero(labels), np.flatnonzero(~labels)
    odds = prevalence / (1.0 - prevalence)
    num_cases = int(min(cases.size, normals.size * odds))
    num_normals = int(min(normals.size, num_cases / odds))
    return np.concatenate(
        [rng.choice(cases, num_cases, False), rng.choice(normals, num_normals, False)]
    )


def table(rows: Sequence[Row]) -> str:
    """Return a Markdown table; figures are recall / specificity / accuracy."""
    out = io.StringIO()
    print(
        "| site | n | prevalence, estimated | verdict | frozen | aligned, if it were used "
        f"| chosen on {_NUM_LABELLED} labelled, on the others |",
        file=out,
    )
    print("|---|---|---|---|---|---|---|", file=out)
    for row in rows:
        verdict = f"{row['verdict']}, capped" if row["capped"] else row["verdict"]
        chosen = _text(row["chosen"]) if "chosen" in row else "-"
        if row.get("chosen_verdict") == "refused":
            chosen += " (refused)"
        print(
            f"| {row['site']} | {row['n']} | {row['prevalence']:.3f}, {row['estimated']:.3f} "
            f"| {verdict} | {_text(row['frozen'])} | {_text(row['aligned'])} | {chosen} |",
            file=out,
        )
    return out.getvalue()


def _text(figures: Sequence[float]) -> str:
    return " / ".join(f"{value:.3f}".replace("0.", ".") for value in figures)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse_arguments(arguments)
    return run_command(lambda: measure(options), cannot="measure")


def measure(options: argparse.Namespace) -> int:
    """Print the table that the options ask for; return the exit code.

    Raises:
        InputError: The model, the images or the configuration cannot be used.
    """
    settings = load_settings(options.config, options.overrides)

    def judge_of(model_dir: Path) -> Judge:
        from models.provenance import read_provenance

        origin = read_provenance(model_dir)
        site = origin.site_calibration
        return Judge(
            reference=ReferenceScores.read(model_dir),
            threshold=origin.threshold if site is None else site.base_threshold,
            target_sensitivity=origin.target_sensitivity,
            settings=settings.site_calibration,
            gate=settings.gate,
        )

    if options.simulated:
        found = simulated_rows(settings.site_calibration, settings.gate)
    else:
        found = measured_rows(options, judge_of)
    rows = []
    for row in found:
        rows.append(row)
        print(f"{row['site']}: {row['verdict']}", file=sys.stderr, flush=True)
    print(table(rows))
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return EXIT_DONE


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.ablation.site_calibration", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--simulated", action="store_true", help="measure on simulated scores")
    parser.add_argument("--model", metavar="DIR", type=Path, help="versions, or one version")
    parser.add_argument("--data", metavar="SOURCE", help="labelled images, as for local_runner.py")
    parser.add_argument(
        "--split",
        choices=("test", "validation", "train", "all"),
        default="test",
        help="images of the source to use (default: %(default)s)",
    )
    parser.add_argument(
        "--also",
        metavar="NAME=SOURCE",
        action="append",
        default=[],
        help="labelled images of another hospital, as one more site",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows to this file")
    add_settings_options(
        parser,
        default=None,
        default_text="the built-in settings",
        set_help="e.g. --set site_calibration.num_resamples=1000",
    )
    options = parser.parse_args(arguments)
    if not options.simulated and (options.model is None or options.data is None):
        parser.error("expected --model and --data, or --simulated")
    return options


if __name__ == "__main__":
    end_program(main())
