"""GGUF, the format of llama.cpp: read, converted to, quantized."""
