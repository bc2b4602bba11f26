"""The DAG: which node waits for which, and what is in each node's cache key."""

import json

import pytest
from tfx.dsl.compiler.compiler import Compiler

from components.external_evaluation import ExternalRecords
from contract.settings import PipelineSettings
from pipeline.metadata_store import connection_config
from pipeline.pipeline import Places, create_pipeline

ONE = {"candidates": {"compact_resnet": {}}}


def build(tmp_path, sets=None, synthetic=False, **overrides):
    settings = PipelineSettings.model_validate({**ONE, **overrides})
    places = Places(
        str(tmp_path / "records"),
        str(tmp_path / "root"),
        str(tmp_path / "push"),
        external=sets or {},
    )
    connection = connection_config(settings.metadata, tmp_path / "metadata.sqlite")
    return create_pipeline(settings, places, connection, synthetic=synthetic)


def nodes_of(pipeline):
    compiled = Compiler().compile(pipeline)
    return {node.pipeline_node.node_info.id: node.pipeline_node for node in compiled.nodes}


def ancestors(nodes, node_id):
    found, waiting = set(), [node_id]
    while waiting:
        for upstream in nodes[waiting.pop()].upstream_nodes:
            if upstream not in found:
                found.add(upstream)
                waiting.append(upstream)
    return found


def parameters(node):
    return {
        name: value.field_value.string_value for name, value in node.parameters.parameters.items()
    }


def test_the_nodes_and_their_order(tmp_path):
    nodes = nodes_of(build(tmp_path))
    assert set(nodes) == {
        "ImportExampleGen", "ImportSchemaGen", "StatisticsGen", "ExampleValidator", "DataAudit",
        "Transform", "Tuner-compact-resnet", "Trainer-compact-resnet", "Selector", "Baseline",
        "Evaluator", "ModelGate", "ServabilityCheck", "Report", "Pusher",
    }  # fmt: skip
    assert {"ExampleValidator", "DataAudit"} <= ancestors(nodes, "Transform")
    assert "Tuner-compact-resnet" in ancestors(nodes, "Trainer-compact-resnet")
    assert "Trainer-compact-resnet" in ancestors(nodes, "Selector")
    assert {"Selector", "Baseline"} <= ancestors(nodes, "Evaluator")
    assert {"ModelGate", "ServabilityCheck"} <= set(nodes["Pusher"].upstream_nodes)
    assert "ModelGate" in ancestors(nodes, "Report")
    assert "Report" not in ancestors(nodes, "Pusher")
    assert set(nodes["ServabilityCheck"].upstream_nodes) == {
        "ImportExampleGen", "Transform", "Selector", "ModelGate",
    }  # fmt: skip


TWO = {"candidates": {"compact_resnet": {}, "cnn_deep": {"architecture": "cnn_deep"}}}


def test_candidates_stand_side_by_side_and_an_ensemble_and_the_selector_take_them_all(tmp_path):
    nodes = nodes_of(build(tmp_path, **TWO))
    trainers = {"Trainer-compact-resnet", "Trainer-cnn-deep"}
    for trainer in trainers:
        assert not (trainers - {trainer}) & ancestors(nodes, trainer)
    assert set(nodes["Ensemble"].upstream_nodes) == {*trainers, "Transform"}
    assert set(nodes["Selector"].upstream_nodes) == {*trainers, "Ensemble"}
    # What an ensemble is made of: its own run holds no network.
    assert trainers <= set(nodes["ServabilityCheck"].upstream_nodes)
    assert ancestors(nodes, "Selector").isdisjoint({"Evaluator", "Baseline"})
    alone = nodes_of(build(tmp_path, **TWO, ensemble={"enabled": False}))
    assert "Ensemble" not in alone
    assert "Selector" in alone


def test_the_study_sees_every_candidate_and_nothing_follows_from_it(tmp_path):
    assert "StudyTable" not in nodes_of(build(tmp_path, **TWO))
    nodes = nodes_of(build(tmp_path, **TWO, study={"enabled": True}))
    trainers = {"Trainer-compact-resnet", "Trainer-cnn-deep"}
    # Of all that is trained: the ensemble is made of the others, and has no row.
    assert set(nodes["StudyTable"].upstream_nodes) == {"ImportExampleGen", "Transform", *trainers}
    assert not [name for name in nodes if "StudyTable" in ancestors(nodes, name)]
    assert set(nodes["Selector"].upstream_nodes) == {*trainers, "Ensemble"}


def test_the_study_changes_no_other_node(tmp_path):
    before = {name: parameters(node) for name, node in nodes_of(build(tmp_path, **TWO)).items()}
    studied = nodes_of(build(tmp_path, **TWO, study={"enabled": True}))
    after = {name: parameters(node) for name, node in studied.items()}
    settings = after.pop("StudyTable")
    assert after == before
    assert json.loads(settings["settings"]) == {"image_size_px": 128, "synthetic": False}
    assert settings["code_version"]
    drawn = nodes_of(build(tmp_path, synthetic=True, **TWO, study={"enabled": True}))
    assert json.loads(parameters(drawn["StudyTable"])["settings"])["synthetic"]


def test_a_candidates_setting_changes_its_own_nodes_alone(tmp_path):
    before = {name: parameters(node) for name, node in nodes_of(build(tmp_path, **TWO)).items()}
    slower = {"architecture": "cnn_deep", "training": {"epochs": 30}}
    changed = {"candidates": {**TWO["candidates"], "cnn_deep": slower}}
    after = {name: parameters(node) for name, node in nodes_of(build(tmp_path, **changed)).items()}
    different = {name for name in after if after[name] != before[name]}
    assert different == {"Tuner-cnn-deep", "Trainer-cnn-deep"}


def test_without_tuning_there_is_no_tuner(tmp_path):
    nodes = nodes_of(build(tmp_path, candidates={"small": {"tune": False}}))
    assert "Trainer-small" in nodes
    assert not any(name.startswith("Tuner") for name in nodes)


def test_the_test_split_is_not_transformed(tmp_path):
    splits = json.loads(parameters(nodes_of(build(tmp_path))["Transform"])["splits_config"])
    assert splits == {"analyze": ["train"], "transform": ["train", "validation"]}


# Stock nodes whose result follows from inputs and properties alone.
CODELESS = {"ImportExampleGen", "StatisticsGen", "ExampleValidator"}


def test_every_node_that_runs_our_code_carries_its_version(tmp_path):
    for name, node in nodes_of(build(tmp_path)).items():
        assert ("code_version" in parameters(node)) == (name not in CODELESS), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        ({"seed": 1}, {"Tuner-compact-resnet", "Trainer-compact-resnet", "Report"}),
        (
            {"transform": {"image_size_px": 96}},
            {
                "Transform",
                "Tuner-compact-resnet",
                "Trainer-compact-resnet",
                "ServabilityCheck",
                "Report",
            },
        ),
        ({"report": {"worst_errors": 3}}, {"Report"}),
        ({"serving": {"keep_versions": 2}}, {"ServabilityCheck", "Pusher"}),
        ({"gate": {"min_recall": 0.96}}, {"Evaluator", "ModelGate"}),
        ({"data": {"max_prevalence": 0.9}}, {"DataAudit"}),
        ({"tuner": {"max_trials": 3}}, {"Tuner-compact-resnet", "Trainer-compact-resnet"}),
    ],
)
def test_a_setting_changes_the_nodes_that_it_concerns(tmp_path, overrides, changed):
    before = {name: parameters(node) for name, node in nodes_of(build(tmp_path)).items()}
    after = {
        name: parameters(node) for name, node in nodes_of(build(tmp_path, **overrides)).items()
    }
    assert {name for name in after if after[name] != before[name]} == changed


@pytest.mark.parametrize("platform", ["docker", "kubernetes"])
def test_a_real_tf_serving_is_asked_last_and_its_blessing_is_wanted_too(tmp_path, platform):
    asked = {"serving": {"infra_validation": platform}}
    nodes = nodes_of(build(tmp_path, **asked))
    assert set(nodes["InfraValidator"].upstream_nodes) == {
        "ImportExampleGen", "Selector", "ModelGate", "ServabilityCheck",
    }  # fmt: skip
    pusher = nodes["Pusher"].inputs.inputs
    producers = {
        name: pusher[name].channels[0].producer_node_query.id
        for name in ("model_blessing", "infra_blessing", "server_blessing")
    }
    assert producers == {
        "model_blessing": "ModelGate",
        "infra_blessing": "ServabilityCheck",
        "server_blessing": "InfraValidator",
    }


def test_node_ids_are_legal_task_names_on_kubeflow(tmp_path):
    assert all("_" not in name and "." not in name for name in nodes_of(build(tmp_path)))


EXTERNAL = {"external": {"adults": {"source": "adults.zip"}, "other": {"source": "other"}}}
SETS = {
    "adults": ExternalRecords("/records/adults", "fingerprint"),
    "other": ExternalRecords("/records/other", "another"),
}


def test_external_sets_are_judged_after_the_choice_and_reach_no_training(tmp_path):
    assert "ExternalEvaluation" not in nodes_of(build(tmp_path, **TWO))
    nodes = nodes_of(build(tmp_path, SETS, **TWO, **EXTERNAL, study={"enabled": True}))
    assert set(nodes["ExternalEvaluation"].upstream_nodes) == {"Selector", "ImportExampleGen"}
    reached = {name for name in nodes if "ExternalEvaluation" in ancestors(nodes, name)}
    assert reached == {"Report"}


def test_external_sets_reach_the_gate_only_where_it_has_bounds_for_one(tmp_path):
    bounds = {"gate": {"external": {"adults": {"min_recall": 0.5}}}}
    nodes = nodes_of(build(tmp_path, SETS, **TWO, **EXTERNAL, **bounds))
    reached = {name for name in nodes if "ExternalEvaluation" in ancestors(nodes, name)}
    assert reached == {"ModelGate", "ServabilityCheck", "Report", "Pusher"}


def test_external_sets_change_no_other_node_and_their_content_is_in_the_key(tmp_path):
    def parameters_with(sets):
        nodes = nodes_of(build(tmp_path, sets, **TWO, **EXTERNAL))
        return {name: parameters(node) for name, node in nodes.items()}

    before = {name: parameters(node) for name, node in nodes_of(build(tmp_path, **TWO)).items()}
    after = parameters_with(SETS)
    own = after.pop("ExternalEvaluation")
    assert after == before
    assert json.loads(own["external_records"]) == {
        "adults": "/records/adults",
        "other": "/records/other",
    }
    assert own["code_version"]
    changed = parameters_with({**SETS, "other": ExternalRecords("/records/other", "new")})
    assert changed.pop("ExternalEvaluation") != own
    assert changed == before
