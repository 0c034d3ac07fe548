"""The modules of a denoiser that an adapter sits on, by the names that `training.target_modules` may give: PEFT's own suffixes."""

from __future__ import annotations

_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_ATTENTION_FF = (*_ATTENTION, "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")
_ALL = (
    *_ATTENTION_FF, "conv1", "conv2", "conv_shortcut", "time_emb_proj", "downsamplers.0.conv", "upsamplers.0.conv",
    "time_embedding.linear_1", "time_embedding.linear_2",
)  # fmt: skip

TARGET_MODULES: dict[str, tuple[str, ...]] = {"attention": _ATTENTION, "attention_ff": _ATTENTION_FF, "all": _ALL}
"""attention; feed-forward and projections too; convolutions and time embedding too."""
