"""The engines that answer with a model's weights, one a file."""
