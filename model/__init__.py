"""The language model: the ONNX Runtime engine, the answering chain over it, and how a version is measured."""
