"""How the embedded model was made: its VAE, tokenizer, denoiser and scorer. Nothing here is needed to use it."""
