"""References as BibTeX: entries give them as ``Authors YEAR, Title, arXiv:NUMBER``."""

from __future__ import annotations

import re

REFERENCE = re.compile(r"(?P<authors>.+?) (?P<year>\d{4}), (?P<title>.+?)(?:, arXiv:(?P<arxiv>[\w./-]+))?")


def bibtex(reference: str) -> str:
    """One entry; what is not in the usual form becomes its note.

    Examples:
        >>> print(aezoo.registry.bibtex("Burda et al. 2016, Importance weighted autoencoders, arXiv:1509.00519"))
        @misc{burda2016importance,
          author = {Burda and others},
          title = {{Importance weighted autoencoders}},
          year = {2016},
          eprint = {1509.00519},
          archivePrefix = {arXiv}
        }
    """
    found = REFERENCE.fullmatch(reference)
    if found is None:
        return f"@misc{{{_key(reference)},\n  note = {{{_tex(reference)}}}\n}}"
    authors = _tex(found["authors"].replace(" et al.", " and others").replace(" & ", " and "))
    first = authors.split(" and ")[0]
    lines = [f"author = {{{authors}}}", f"title = {{{{{_tex(found['title'])}}}}}", f"year = {{{found['year']}}}"]
    if found["arxiv"]:
        lines += [f"eprint = {{{found['arxiv']}}}", "archivePrefix = {arXiv}"]
    body = ",\n".join(f"  {line}" for line in lines)
    return f"@misc{{{_key(first)}{found['year']}{_key(_word(found['title']))},\n{body}\n}}"


def _tex(text: str) -> str:
    """Braces go, since BibTeX counts those that are escaped too."""
    return re.sub(r"([&%$#_])", r"\\\1", re.sub(r"[{}\\]", "", text))


def _word(title: str) -> str:
    """The first word of a title that tells something."""
    words = title.split()
    return next((word for word in words if len(word) > 3), words[0])


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())[:40]
