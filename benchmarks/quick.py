"""The key ratios in under two minutes, beside those of the written results: a look, no verdict.

Each contender runs twice, on less data than in its own benchmark, so a ratio may be off by a tenth or two.
"""

from __future__ import annotations

import argparse
import json
import time

from benchmarks import families, seeds, startup, step, use
from benchmarks.harness import RESULTS, Benchmark, alternate, summary

KEYS: tuple[tuple[Benchmark, str, tuple[str, ...]], ...] = (
    (step.BENCHMARK, "step-batch-128", ("ours / limit", "ours / best loop by hand")),
    (families.BENCHMARK, "families", ("vae", "contractive, one layer, in closed form")),
    (use.BENCHMARK, "use", ()),
    (startup.BENCHMARK, "startup", ()),
    (seeds.BENCHMARK, "seeds", ()),
)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__)
    parser.add_argument("--data-dir", default="data/mnist", help="folder of MNIST's files")
    parser.add_argument("--seconds", type=float, default=110, help="begin nothing new after so long")
    arguments = parser.parse_args()
    begun = time.monotonic()
    print(f"{'':58} {'now':>6} {'written':>8}")
    for benchmark, stem, names in KEYS:
        written = _written(stem)
        every = benchmark.ratios_of(argparse.Namespace(batch_size=128))
        ratios = [ratio for ratio in every if not names or ratio.name in names]
        for ratio in ratios if names else ratios[:1]:
            if time.monotonic() - begun > arguments.seconds:
                print("… time is up: the rest is left out")
                return
            argv = ["--data-dir", arguments.data_dir]
            measured = alternate(benchmark.name, [ratio.of, ratio.to], 1, argv)
            found = summary(benchmark, measured, [ratio])["ratios"]
            now = next((f"{line['median']:6.2f}" for line in found if line["name"] == ratio.name), "failed")
            before = f"{written[ratio.name]:8.2f}" if ratio.name in written else f"{'none':>8}"
            print(f"{benchmark.name + ': ' + ratio.name:58} {now} {before}   {ratio.wanted}")


def _written(stem: str) -> dict[str, float]:
    path = RESULTS / f"{stem}.json"
    if not path.exists():
        return {}
    return {line["name"]: line["median"] for line in json.loads(path.read_text(encoding="utf-8"))["ratios"]}


if __name__ == "__main__":
    main()
