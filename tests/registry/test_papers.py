import re

import pytest

from aezoo import registry
from aezoo.registry.papers import REFERENCE


def registered():
    lookups = [registry.models, registry.datasets, registry.inspections, *registry.parts.values()]
    entries = [entry for lookup in lookups for entry in lookup.values() if entry.distribution == registry.OURS]
    return sorted({paper for entry in entries for paper in entry.references})


@pytest.mark.parametrize("paper", registered())
def test_every_reference_of_ours_has_author_year_and_title(paper):
    assert REFERENCE.fullmatch(paper)
    entry = registry.bibtex(paper)
    assert entry.count("{") == entry.count("}")
    assert len(re.findall(r"^  (?:author|title|year) = ", entry, re.MULTILINE)) == 3


def test_keys_are_one_a_paper():
    papers = registered()
    keys = [registry.bibtex(paper).partition(",")[0] for paper in papers]
    assert len(set(keys)) == len(papers)


def test_authors_and_arxiv_become_bibtex_of_the_usual_form():
    assert registry.bibtex("Loaiza-Ganem & Cunningham 2019, The continuous Bernoulli, arXiv:1907.06845") == (
        "@misc{loaizaganem2019continuous,\n"
        "  author = {Loaiza-Ganem and Cunningham},\n"
        "  title = {{The continuous Bernoulli}},\n"
        "  year = {2019},\n"
        "  eprint = {1907.06845},\n"
        "  archivePrefix = {arXiv}\n"
        "}"
    )
    assert "author = {Rifai and others}" in registry.bibtex("Rifai et al. 2011, A title")


def test_a_reference_of_another_form_is_kept_as_a_note():
    assert registry.bibtex("a talk of ours") == "@misc{atalkofours,\n  note = {a talk of ours}\n}"
    assert registry.bibtex("100 % {of_it") == "@misc{100ofit,\n  note = {100 \\% of\\_it}\n}"
