"""The page of the ablation shows what was measured."""

import json

from tools.ablation.ablation_table import ablation_table, in_order


def test_the_table_follows_from_the_results_beside_it(repository):
    results = in_order(json.loads((repository / "docs" / "ablation.json").read_text()))
    table = ablation_table(results)
    assert table in (repository / "docs" / "ablation.md").read_text(encoding="utf-8")


def test_every_result_says_whether_its_recall_reached_the_target(repository):
    for record in json.loads((repository / "docs" / "ablation.json").read_text()):
        assert record["reaches_target"] == (record["recall_low"] >= 0.955), record
