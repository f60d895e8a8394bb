"""What holds for the run of any recipe."""

from tfxfer.report.sections import contents
from tfxfer.runs import metric_names


def check(run):
    """Its metrics are declared and in range, its phases are those it planned, and it names the sections and subjects
    that it has material for."""
    assert metric_names.undeclared(run.metrics) == []
    assert [name for name in run.facts["sections"] if name in contents.DEDUCIBLE] == contents.deduced(run)
    timed = [key for key in run.facts["timings"] if not key.startswith("seconds/seed_")]
    assert [*timed, "seconds/report"] == [f"seconds/{phase}" for phase in run.facts["phases"]]
    for section, subjects in run.facts.get("subjects", {}).items():
        assert subjects == contents.deduced_subjects(run, section)
