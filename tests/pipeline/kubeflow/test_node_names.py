from __future__ import annotations

import pytest

from contract.errors import InputError
from contract.settings import PipelineSettings
from pipeline.kubeflow.node_names import check_node_names, kind_of
from pipeline.load_config import load_settings

NODES = ("Transform", "Trainer-small", "Trainer-large-2", "RunSummary")


def test_the_first_word_stands_for_all_candidates() -> None:
    assert [kind_of(node) for node in NODES] == ["Transform", "Trainer", "Trainer", "RunSummary"]


@pytest.mark.parametrize("name", ["Trainer", "Trainer-small", "RunSummary", "Tuner"])
def test_nodes_and_kinds_may_be_given_resources(name: str) -> None:
    check_node_names(load_settings(None, [f"kubeflow.node_resources.{name}.cpu=1"]), NODES)


def test_a_node_that_is_not_there_is_told_with_those_that_are() -> None:
    settings = load_settings(None, ["kubeflow.node_resources.Trainer-tiny.cpu=1"])
    with pytest.raises(InputError) as caught:
        check_node_names(settings, NODES)
    told = str(caught.value)
    assert told.startswith("kubeflow.node_resources: expected nodes of this pipeline")
    assert "got Trainer-tiny" in told
    assert "Trainer-large-2" in told


@pytest.mark.parametrize("node", ["Trainer_small", "-Trainer", "3Trainer", "", "T" * 121])
def test_names_that_kubernetes_would_refuse_are_told(node: str) -> None:
    with pytest.raises(InputError, match="expected node ids of letters, digits and dashes"):
        check_node_names(PipelineSettings(), [*NODES, node])
