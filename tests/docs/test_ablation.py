"""The page of the ablation shows what was measured."""

import json

from tools.ablation.ablation_table import ablation_tables, in_order


def test_the_tables_follow_from_the_results_beside_them(repository):
    results = in_order(json.loads((repository / "docs" / "ablation.json").read_text()))
    page = (repository / "docs" / "ablation.md").read_text(encoding="utf-8")
    for table in ablation_tables(results).split("\n\n"):
        assert table in page


def test_every_result_says_whether_its_recall_reached_the_target(repository):
    for record in json.loads((repository / "docs" / "ablation.json").read_text()):
        assert record["reaches_target"] == (record["recall_low"] >= 0.955), record
