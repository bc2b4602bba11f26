"""`--config` and `--external`: from the command line to settings."""

import argparse

import pytest

from contract.errors import InputError
from pipeline.load_config import load_settings
from pipeline.settings_options import (
    add_external_option,
    add_settings_options,
    external_overrides,
)


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_external_option(parser, source_help="as for --data")
    return external_overrides(parser.parse_args(arguments).external)


def test_any_number_of_sets_reach_the_settings_whatever_their_paths_hold():
    sources = {"nih_adults": "../data/nih.zip", "other": "a: b, [c]=#d 'e'.csv", "third": "007"}
    options = [part for each in sources.items() for part in ("--external", "=".join(each))]
    settings = load_settings(None, parse(*options))
    assert {name: each.source for name, each in settings.external.items()} == sources
    assert load_settings(None, parse()).external == {}


def test_the_option_goes_before_the_configuration_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("external: {other: {source: a.zip}, second: {source: b.zip}}\n")
    settings = load_settings(str(file), parse("--external", "other=c.zip"))
    assert {name: each.source for name, each in settings.external.items()} == {
        "other": "c.zip",
        "second": "b.zip",
    }


@pytest.mark.parametrize(
    "text", ["other", "other=", "=a.zip", "Other=a.zip", "1st=a.zip", "a-b=a.zip", "a.b=a.zip"]
)
def test_a_malformed_set_is_named_with_what_was_expected(text):
    with pytest.raises(InputError, match=r"--external: expected NAME=SOURCE .*How to fix") as info:
        parse("--external", text)
    assert repr(text) in str(info.value)


def test_a_name_that_is_given_twice_is_refused():
    with pytest.raises(InputError, match=r"each name once, got other for a\.zip and for b\.zip"):
        parse("--external", "other=a.zip", "--external", "other=b.zip")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("external={Other: {source: a.zip}}", r"external\.Other .*text that matches"),
        ("external={other: {}}", r"external\.other\.source"),
        ("external={other: {source: ''}}", r"external\.other\.source"),
        ("external={other: {source: a.zip, split: test}}", "expected a known key, got 'split'"),
        ("gate.external={other: {min_recall: 0.9}}", r"which are \(none\), got other"),
        ("gate.external={other: {min_precision: 0.9}}", "expected a known key"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(override, message):
    with pytest.raises(InputError, match=message):
        load_settings(None, [override])


def test_bounds_are_asked_of_sets_that_are_there():
    settings = load_settings(
        None, [*parse("--external", "other=a.zip"), "gate.external.other.min_specificity=0.5"]
    )
    bounds = settings.gate.external["other"]
    assert (bounds.min_recall, bounds.min_specificity, bounds.min_auc) == (None, 0.5, None)


@pytest.mark.parametrize("default", [None, "quick"])
def test_configurations_are_kept_in_their_order_and_replace_the_default(default):
    parser = argparse.ArgumentParser()
    add_settings_options(parser, default=default, default_text="quick", set_help="")
    assert parser.parse_args([]).config == default
    arguments = ["--config", "study", "--set", "seed=1", "--config", "flink"]
    assert parser.parse_args(arguments).config == ["study", "flink"]
    assert parser.parse_args(["--config", "study"]).config == ["study"]
