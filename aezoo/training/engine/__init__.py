"""How a step is made fast: traced once, replayed, batched over members, its update fused."""
