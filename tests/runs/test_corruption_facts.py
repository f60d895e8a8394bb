"""What is said of a run's corrupted images, to its owner and to others."""

import pytest

from tfxfer.runs import corruption_facts

OWN = {"names": ["white.png"], "sha256": "ab12"}
FOLDER = "frost uses the photographs in /home/someone/ice, which are not the benchmark's"


def facts(**more):
    return {"arguments": {"dataset": "digits", "corruption": "frost", "severities": "1,5"}} | more


def test_others_are_not_told_where_photographs_are():
    own = facts(corruptions={"photographs": OWN, "remark": FOLDER})
    assert corruption_facts.remark(own) == FOLDER
    public = corruption_facts.public_remark(own)
    assert public == "frost uses the photographs with sha256 ab12, which are not the benchmark's"


@pytest.mark.parametrize("photographs", [None, OWN])
def test_what_names_no_folder_stays(photographs):
    remark = "frost uses the benchmark's photographs of ice"
    own = facts(corruptions={"photographs": photographs, "remark": remark})
    assert corruption_facts.public_remark(own) == remark


def test_runs_of_version_01_did_not_record_it():
    assert corruption_facts.remark(facts()).startswith("made by an earlier version, whose frost was darker")
    official = {"arguments": {"dataset": "cifar10_corrupted"}}
    assert corruption_facts.public_remark(official) == "CIFAR-10-C's own files"


def test_what_was_tested():
    assert corruption_facts.tested({}) == "test images"
    assert corruption_facts.tested(facts(corrupted={})) == "test images under frost of severity 1,5"
