"""Tests of `pipeline.load_config` and of the lines of `pipeline.config_errors`."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from contract.errors import InputError
from contract.settings import CandidateSettings, PipelineSettings, TrainingSettings
from pipeline.load_config import CONFIGS_FOLDER, load_settings, parse_override

DEFAULTS = PipelineSettings()


@pytest.fixture
def write_config(tmp_path: Path) -> Any:
    def write(text: str) -> str:
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def many_candidates(monkeypatch: pytest.MonkeyPatch) -> CandidateSettings:
    """Let several candidates compete, one of them with a default entry."""
    entry = CandidateSettings(training=TrainingSettings(batch_size=5))

    class ManyCandidates(PipelineSettings):
        candidates: dict[str, CandidateSettings] = {"own": entry}  # noqa: RUF012

    monkeypatch.setattr("pipeline.load_config.PipelineSettings", ManyCandidates)
    return entry


def refusal(config: str | None, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        load_settings(config, overrides)
    return str(caught.value)


def leaves(tree: dict[str, Any], parents: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        # Kubernetes' labels have dots: a mapping of them is set as a whole.
        if isinstance(value, dict) and not any("." in name for name in value):
            yield from leaves(value, (*parents, key))
        else:
            yield ".".join((*parents, key)), value


def test_nothing_given_is_the_defaults() -> None:
    assert load_settings(None) == DEFAULTS
    assert load_settings("default") == DEFAULTS


def test_the_default_candidates_are_one_network_that_sees_other_grey_values() -> None:
    first, *others = DEFAULTS.candidates.values()
    assert (first.architecture, first.weights, first.tune) == (
        "efficientnet_lite0",
        "package",
        False,
    )
    assert (first.training.backbone, first.training.epochs) == ("whole", 8)
    assert 2 <= 1 + len(others) <= DEFAULTS.ensemble.num_members
    seen = {first.normalisation, *(other.normalisation for other in others)}
    assert len(seen) == 1 + len(others)
    for other in others:
        assert other.model_copy(update={"normalisation": first.normalisation}) == first


def test_every_named_configuration_loads() -> None:
    names = [path.stem for path in CONFIGS_FOLDER.glob("*.yaml")]
    assert {"default", "quick"} <= set(names)
    for name in names:
        load_settings(name)


def test_files_are_merged_in_their_order(write_config: Any, tmp_path: Path) -> None:
    first = write_config("seed: 4\ndata: {num_shards: 7}\ncandidates: {own: {}, other: {}}\n")
    second = tmp_path / "second.yaml"
    second.write_text("seed: 5\ncandidates: {third: {}}\n", encoding="utf-8")
    settings = load_settings([first, str(second)], ["data.split_salt=x"])
    assert (settings.seed, settings.data.num_shards, settings.data.split_salt) == (5, 7, "x")
    assert set(settings.candidates) == {"third"}
    assert load_settings([str(second), first]).seed == 4
    assert load_settings([]) == DEFAULTS


def test_a_base_is_changed_where_no_other_file_is_given(write_config: Any, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("seed: 4\n", encoding="utf-8")
    (tmp_path / "middle.yaml").write_text("base: base\nname: middle\n", encoding="utf-8")
    config = write_config("base: middle\ndata: {num_shards: 7}\n")
    alone = load_settings(config, configs_folder=tmp_path)
    assert (alone.seed, alone.name, alone.data.num_shards) == (4, "middle", 7)
    (tmp_path / "other.yaml").write_text("seed: 8\n", encoding="utf-8")
    after = load_settings(["other", config], configs_folder=tmp_path)
    assert (after.seed, after.name, after.data.num_shards) == (8, DEFAULTS.name, 7)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("3", "expected a name or a file as `base`, got 3"),
        ("nothing", "expected a YAML file or one of the names "),
        ("run", "expected another file as `base`, got 'run', which is based on this one"),
    ],
)
def test_a_base_that_cannot_be_used_is_refused(
    write_config: Any, tmp_path: Path, base: str, message: str
) -> None:
    config = write_config(f"base: {base}\n")
    with pytest.raises(InputError, match=re.escape(message)):
        load_settings(config, configs_folder=tmp_path)


def test_flink_changes_places_alone() -> None:
    for configs, without in (("flink", "default"), (["quick", "flink"], "quick")):
        settings = load_settings(configs)
        assert settings.beam != DEFAULTS.beam
        assert settings.model_copy(update={"beam": DEFAULTS.beam}) == load_settings(without)


def test_quick_is_small_and_keeps_the_rest() -> None:
    settings = load_settings("quick")
    assert settings.data.synthetic.num_images == 160
    assert settings.transform.image_size_px == 64
    assert settings.tuner.max_trials == 1
    assert settings.candidates["compact_resnet"].training.epochs == 2
    assert settings.gate == DEFAULTS.gate
    assert settings.data.synthetic.seed == DEFAULTS.data.synthetic.seed


def test_each_configuration_says_its_command_run_time_and_outcome() -> None:
    for path in CONFIGS_FOLDER.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        for heading in ("# Command:   python local_runner.py", "# Run time:", "# Expect:"):
            assert heading in text, path.name


def test_a_file_changes_only_what_it_names(write_config: Any) -> None:
    settings = load_settings(write_config("data:\n  num_shards: 7\n"))
    data = DEFAULTS.data.model_copy(update={"num_shards": 7})
    assert settings == DEFAULTS.model_copy(update={"data": data})


def test_an_empty_file_is_the_defaults(write_config: Any) -> None:
    assert load_settings(write_config("# nothing\n")) == DEFAULTS


def test_a_name_wins_over_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quick").write_text("seed: 9\n")
    (tmp_path / "mine").write_text("seed: 9\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings("quick").seed == DEFAULTS.seed
    assert load_settings("mine").seed == 9


def test_a_file_that_names_candidates_replaces_the_set(write_config: Any) -> None:
    settings = load_settings(write_config("candidates:\n  other:\n    training: {epochs: 4}\n"))
    training = TrainingSettings(epochs=4)
    assert settings.candidates == {"other": CandidateSettings(training=training)}


def test_one_setting_of_one_candidate_keeps_the_rest(
    write_config: Any, many_candidates: CandidateSettings
) -> None:
    config = write_config(
        "candidates:\n  first: {tune: false}\n  second: {training: {batch_size: 8}}\n"
    )
    settings = load_settings(config, ["candidates.second.training.epochs=3"])
    assert list(settings.candidates) == ["first", "second"]
    assert settings.candidates["first"] == CandidateSettings(tune=False)
    assert settings.candidates["second"].training == TrainingSettings(batch_size=8, epochs=3)


def test_a_candidate_starts_from_its_own_default_entry(
    write_config: Any, many_candidates: CandidateSettings
) -> None:
    settings = load_settings(write_config("candidates: {own: {tune: false}, other: {}}"))
    assert settings.candidates["own"] == many_candidates.model_copy(update={"tune": False})
    assert settings.candidates["other"] == CandidateSettings()


def test_set_adds_a_candidate_or_replaces_them_all(many_candidates: CandidateSettings) -> None:
    added = load_settings(None, ["candidates.second.tune=false"])
    assert added.candidates == {"own": many_candidates, "second": CandidateSettings(tune=False)}
    replaced = load_settings(None, ["candidates={second: {tune: false}}"])
    assert replaced.candidates == {"second": CandidateSettings(tune=False)}


def test_candidates_join_the_default_ones_and_none_takes_the_ensembles_name() -> None:
    settings = load_settings(None, ["candidates.second.architecture=cnn_deep"])
    assert set(settings.candidates) == {*DEFAULTS.candidates, "second"}
    message = refusal(None, "candidates.ensemble.tune=false")
    assert "expected candidates of other names, got 'ensemble'" in message


def test_the_last_override_wins_over_the_file(write_config: Any) -> None:
    assert load_settings(write_config("seed: 1"), ["seed=2", "seed=3"]).seed == 3


@pytest.mark.parametrize(
    ("override", "keys", "value"),
    [
        ("tuner.space.l2=[1e-3, 1e-4]", ("tuner", "space", "l2"), [1e-3, 1e-4]),
        ("tuner.max_minutes=null", ("tuner", "max_minutes"), None),
        ("data.split_salt=a=b", ("data", "split_salt"), "a=b"),
        ("seed = 4", ("seed",), 4),
        ('data.split_salt=""', ("data", "split_salt"), ""),
    ],
)
def test_overrides_are_read_as_yaml(override: str, keys: tuple[str, ...], value: object) -> None:
    assert parse_override(override) == (keys, value)


@given(st.data())
def test_any_default_can_be_written_out_and_set(data: st.DataObject) -> None:
    pairs = list(leaves(DEFAULTS.model_dump(mode="json")))
    chosen = data.draw(st.lists(st.sampled_from(pairs), max_size=5))
    overrides = [f"{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in chosen]
    overrides = [override.removesuffix("...\n") for override in overrides]
    assert load_settings(None, overrides) == DEFAULTS


class _Quoting(yaml.SafeDumper):
    """Writes text in quotes: unlike YAML 1.1, which PyYAML writes, settings have numbers as 0E0."""


_Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


@pytest.mark.slow
@example(seed=0, salt="0E0", epochs=1, rates=[1.0], name="a")
@given(
    seed=st.integers(0, 2**31 - 1),
    salt=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))),
    epochs=st.integers(1, 1000),
    rates=st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=4),
    name=st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
)
def test_settings_survive_a_file_and_back(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    salt: str,
    epochs: int,
    rates: list[float],
    name: str,
) -> None:
    candidate = CandidateSettings(training=TrainingSettings(epochs=epochs))
    settings = PipelineSettings(
        seed=seed,
        data=DEFAULTS.data.model_copy(update={"split_salt": salt}),
        tuner=DEFAULTS.tuner.model_copy(update={"space": {"l2": tuple(rates)}}),
        candidates={name: candidate},
    )
    path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    path.write_text(yaml.dump(settings.model_dump(mode="json"), Dumper=_Quoting, sort_keys=False))
    assert load_settings(str(path)) == settings


def test_a_key_that_pydantic_has_a_meaning_for_is_unknown_as_any_other() -> None:
    with pytest.raises(InputError, match=r"\[key\].*expected a known key"):
        load_settings(None, ["[key]=0"])


@given(st.text(), st.text())
def test_any_override_is_settings_or_an_input_error(key: str, value: str) -> None:
    with contextlib.suppress(InputError):
        load_settings(None, [f"{key}={value}"])


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("tuner.max_trial=3", "tuner.max_trial (--set): expected a known key, got 'max_trial'; "
         "did you mean 'max_trials'?"),
        ("epochs=3", "did you mean 'candidates.efficientnet_lite0.training.epochs'?"),
        ("zzz=3", "zzz (--set): expected a known key, got 'zzz' (known: name, seed, data,"),
        ("candidates.new.training.epoch=3", "candidates.new.training.epoch (--set): expected a "
         "known key, got 'epoch'; did you mean 'epochs'?"),
        ("candidates.Bad-Name.tune=false", "candidates.Bad-Name (--set): expected text that "
         "matches ^[a-z][a-z0-9_]*$, got 'Bad-Name'"),
        ("data.num_shards=0", "data.num_shards (--set): expected a number >= 1, got 0"),
        ("data.test_fraction=1", "expected a number < 1.0, got 1"),
        ("tuner.max_trials=two", "expected a whole number, got 'two'"),
        ("tuner.max_trials=2.5", "expected a whole number, got 2.5"),
        ("tuner.max_trials=true", "tuner.max_trials (--set): expected a number, got true"),
        ("gate.min_auc=nan", "expected a finite number, got 'nan'"),
        ("gate.require_baseline=2", "expected true or false, got 2"),
        ("data.split_salt=4", "expected text (in quotes where it looks like a number), got 4"),
        ("transform.resize=squach", "expected one of 'squash', 'letterbox' or 'lung_crop', got "
         "'squach'; did you mean 'squash'?"),
        ("beam.pipeline_args=[a, 3]", "beam.pipeline_args[1] (--set): expected text (in quotes "
         "where it looks like a number), got 3"),
        ("tuner.space.l2=[]", "expected at least 1 in number, got []"),
        ("tuner.space.l2=1e-3", "expected a list such as [a, b], got 0.001"),
        ("candidates={}", "candidates: expected at least 1 in number, got []"),
        ("candidates.efficientnet_lite0=3", "candidates.efficientnet_lite0 (--set): expected a "
         "section of `key: value` lines, got 3"),
        ("candidates={efficientnet_lite0: }", "expected a section of `key: value` lines, got "
         "nothing"),
        ("data=3", "data (--set): expected a section of `key: value` lines, got 3"),
        ("seed={a: 1}", "seed (--set): expected a whole number, got {'a': 1}"),
        ("data.validation_fraction=0.9", "data (--set): expected validation_fraction + "
         "test_fraction < 1, got 0.9 + 0.15"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_named(override: str, line: str) -> None:
    message = refusal(None, override)
    assert line in message
    assert message.startswith("expected usable settings, got 1 problem:\n  ")
    assert message.endswith("contract/settings.py lists every setting with its bounds.")


def test_all_problems_are_named_at_once_with_their_origins(write_config: Any) -> None:
    config = write_config("seed: -1\ntuner:\n  max_trials: true\n  epochs: 2\n")
    message = refusal(
        config, "data=3", "data.num_shards=0", "candidates.efficientnet_lite0.tun=true"
    )
    assert "got 6 problems" in message
    assert f"seed ({config}): expected a number >= 0, got -1" in message
    assert f"tuner.max_trials ({config}): expected a number, got true" in message
    assert f"tuner.epochs ({config}): expected a known key, got 'epochs'" in message
    assert "data (--set): expected a section" in message
    assert "data.num_shards (--set): expected a number >= 1, got 0" in message
    assert "candidates.efficientnet_lite0.tun (--set): expected a known key, got 'tun'" in message


@pytest.mark.parametrize("override", ["seed", "=3", "a..b=3", ".a=3", "", "seed."])
def test_malformed_overrides_are_refused(override: str) -> None:
    message = refusal(None, override)
    assert f"expected key=value with a dotted key, got {override!r}" in message
    assert "--set tuner.max_trials=5" in message


def test_overrides_without_a_usable_value_are_refused() -> None:
    assert "--set seed: expected a value, got nothing" in refusal(None, "seed=")
    assert "--set seed: expected a YAML value, got '[1'" in refusal(None, "seed=[1")


@pytest.mark.parametrize("config", ["quik", "no/such.yaml", "such.yaml", "", "configs"])
def test_an_unknown_configuration_lists_the_names(config: str) -> None:
    message = refusal(config)
    expected = "one of the names default, flink, quick, study, synthetic"
    assert f"{expected}, got {config!r}, which is neither" in message
    assert ("did you mean 'quick'?" in message) == (config == "quik")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: [1\n", "expected a YAML file in UTF-8, got something else: line 2, column 1"),
        (b"seed: 1\nseed: 2\n", "expected each key once, got 'seed' again"),
        (b"\xff\xfe", "expected a YAML file in UTF-8, got something else: 'utf-8' codec"),
        (b"- 1\n", "expected `key: value` lines, got [1]"),
        (b"just text\n", "expected `key: value` lines, got 'just text'"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    message = refusal(str(path))
    assert message.startswith(f"{path}: ")
    assert problem in message
    assert "How to fix" in message


def test_a_folder_is_not_a_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    assert "which is neither" in refusal(str(folder))


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, encoding: str) -> str:
        raise PermissionError(13, "Permission denied", str(self))

    path = tmp_path / "run.yaml"
    path.write_text("seed: 1")
    monkeypatch.setattr(Path, "read_text", refuse)
    assert f"{path}: expected a readable file, got Permission denied" in refusal(str(path))


def test_the_command_line_stays_quick_without_heavy_imports() -> None:
    code = (
        "import sys, pipeline.load_config\n"
        "pipeline.load_config.load_settings('quick', ['seed=1'])\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'keras', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CONFIGS_FOLDER.parent)
