"""What the processor can do."""

from __future__ import annotations

import torch


def has_bf16() -> bool:
    """Whether it multiplies bfloat16 in units of its own, and does not imitate it; of others than x86, as far as known.

    Imitated, it was measured at a twelfth of the speed of float32.
    """
    level = torch.backends.cpu.get_cpu_capability()
    if level == "AVX512":
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)())
    return level not in ("DEFAULT", "NO AVX", "AVX2")
