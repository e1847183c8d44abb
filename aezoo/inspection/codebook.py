"""How a model uses its codebook."""

from __future__ import annotations

from aezoo.evaluation import code_counts, perplexity, some_rows
from aezoo.inspection.finding import Finding, Subject
from aezoo.inspection.options import CodebookOptions
from aezoo.plots import plot_code_use


def codebook(subject: Subject, options: CodebookOptions) -> Finding:
    """The share of the choices that each vector gets, over at most ``options.rows`` rows."""
    counts = code_counts(subject.model, some_rows(subject.rows, options.rows, subject.seed))
    share = counts / counts.sum()
    figures = {
        "vectors": len(counts),
        "codes_used": int((counts > 0).sum()),
        "perplexity": perplexity(counts),
        "share": share.tolist(),
    }
    return Finding(figures, plot_code_use(share))
