"""TensorRT-LLM: its pool of blocks in the PyTorch flow."""
