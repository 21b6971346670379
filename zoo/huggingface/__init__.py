"""The models of transformers and diffusers, built from tiny configs with random weights."""
