#!/usr/bin/env bash
# torch 2.13.0: the closed-form KL divergences of torch.distributions broadcast a prior of shape (Z,) against posteriors
# of shape (B, Z), and so do Gaussians, Laplaces, Poissons, Betas, binomials and continuous Bernoullis; that of two
# Bernoullis, the usual one of a code of bits, raises IndexError, also within Independent. Expanding the prior mends it.
# Seen:
#   Normal (5, 3)
#   Poisson (5, 3)
#   Binomial (5, 3)
#   ContinuousBernoulli (5, 3)
#   Bernoulli IndexError
#   Bernoulli, expanded (5, 3)
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q 'torch==2.13.0' 'numpy==2.4.6'
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.distributions import Bernoulli, Binomial, ContinuousBernoulli, Normal, Poisson, kl_divergence

half, third = torch.full((3,), 1 / 2), torch.full((5, 3), 1 / 3)
for name, make in {
    "Normal": lambda values: Normal(values, 1.0),
    "Poisson": Poisson,
    "Binomial": lambda values: Binomial(4, values),
    "ContinuousBernoulli": ContinuousBernoulli,
    "Bernoulli": Bernoulli,
}.items():
    try:
        found = tuple(kl_divergence(make(third), make(half)).shape)
    except IndexError as error:
        found = type(error).__name__
    print(name, found)
print("Bernoulli, expanded", tuple(kl_divergence(Bernoulli(third), Bernoulli(half).expand((5, 3))).shape))
PYTHON
)
wanted="Normal (5, 3)
Poisson (5, 3)
Binomial (5, 3)
ContinuousBernoulli (5, 3)
Bernoulli IndexError
Bernoulli, expanded (5, 3)"
[ "$seen" = "$wanted" ] || { echo "it changed: $seen"; exit 1; }
echo "as before: $seen"
