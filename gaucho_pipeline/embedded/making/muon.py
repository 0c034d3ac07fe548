"""Muon beside AdamW: the optimiser that the embedded model is made with.

Matrices and flattened convolutions take Muon's orthogonalised momentum, everything else AdamW
(Keller Jordan, "Muon: An optimizer for hidden layers in neural networks", 2024; the update is scaled by
0.2 sqrt(larger side) as in arXiv 2502.16982). `torch.optim.Muon` takes two-dimensional parameters only.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch


def orthogonalise(gradient: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest semi-orthogonal matrix of a 2-D tensor, by Newton-Schulz iteration in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = gradient.bfloat16()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(gradient.dtype)


class Muon(torch.optim.Optimizer):
    """Muon for parameters of two or more dimensions (those of more are flattened to rows)."""

    def __init__(self, params: Iterable[torch.nn.Parameter], lr: float = 2e-3, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                buffer = state["momentum"]
                buffer.lerp_(p.grad, 1 - group["momentum"])
                nesterov = p.grad.lerp(buffer, group["momentum"])
                matrix = nesterov.reshape(len(p), -1)
                update = orthogonalise(matrix) * (0.2 * max(matrix.shape) ** 0.5)
                p.add_(update.view_as(p), alpha=-group["lr"])


def optimisers_for(
    modules: Iterable[torch.nn.Module], keep_adam: set[torch.nn.Parameter], lr: float = 2e-3, adam_lr: float = 1e-3
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices and convolutions of `modules`, AdamW for the rest and for what `keep_adam` names."""
    params = [p for m in modules for p in m.parameters() if p.requires_grad]
    by_muon = [p for p in params if p.ndim >= 2 and p not in keep_adam]
    chosen = set(by_muon)
    by_adam = [p for p in params if p not in chosen]
    return [Muon(by_muon, lr=lr), torch.optim.AdamW(by_adam, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0)]
