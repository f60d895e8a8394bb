"""The README is short, and what it points to is there."""

import re

import pytest
from doc_pages import ROOT, text


def test_it_is_short():
    assert len(text("README.md").splitlines()) <= 130


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "recipes/README.md"])
def test_its_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", re.sub(r"\n", "", text(name)))
    assert [link for link in links if "://" not in link and not (ROOT / name).parent.joinpath(link).exists()] == []


def test_its_picture_is_small():
    (picture,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text("README.md"))
    assert (ROOT / picture).stat().st_size < 150_000
