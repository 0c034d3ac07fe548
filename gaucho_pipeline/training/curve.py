"""The loss curve as a picture."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_curve(curve: list[dict[str, float]], best_step: int, path: Path) -> None:
    """Draws the validation loss over the steps as a PNG, with the base model's and the step that was kept marked."""
    figure = Figure(figsize=(6, 3), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    steps, losses = [row["step"] for row in curve], [row["validation"] for row in curve]
    axes.axhline(losses[0], color="#999999", linestyle="--", label="base model")
    axes.plot(steps, losses, color="#2f6b3c", marker="o", markersize=3, label="while training")
    axes.axvline(best_step, color="#b3541e", linewidth=1, label=f"kept: step {best_step}")
    axes.set(xlabel="step", ylabel="validation loss")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Software": None})
