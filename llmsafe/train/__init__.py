"""The training core: privacy units, Poisson draws, per-unit LoRA gradients, the private step."""
