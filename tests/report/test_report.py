"""The whole report of a run that left too little: each missing part is replaced by its reason."""

from report.report import PAGE_FILE, SECTIONS, SLICES_FILE, write_report
from tests.report.made_sources import make_sources


def test_what_cannot_be_made_is_told_and_the_rest_is_there(tmp_path):
    # None of the artifacts exists: every section that reads one fails.
    folder = tmp_path / "report"
    write_report(make_sources(tmp_path / "run"), folder)
    page = (folder / PAGE_FILE).read_text(encoding="utf-8")
    for title in ("Verdict", "Slices", "Candidates", "Model card", "Worst errors"):
        assert title in page
    assert page.count("could not be made") >= len(SECTIONS) // 2
    assert "gate.json" in page  # the cause names what was missing
    assert "SYNTHETIC DATA" in page
    assert not (folder / SLICES_FILE).exists()
    assert "slices.csv: could not be made" in page


def test_a_section_that_fails_names_its_cause_and_spares_the_others(tmp_path, monkeypatch):
    def fail(sources):
        raise RuntimeError(f"<b>broken</b> {sources.run.seed}")

    monkeypatch.setitem(SECTIONS, "Verdict", fail)
    write_report(make_sources(tmp_path / "run", seed=5), tmp_path / "report")
    page = (tmp_path / "report" / PAGE_FILE).read_text(encoding="utf-8")
    assert "Verdict: could not be made. RuntimeError: &lt;b&gt;broken&lt;/b&gt; 5" in page
    assert 'id="data"' in page
