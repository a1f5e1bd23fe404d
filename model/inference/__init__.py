"""The process in which the ONNX graph runs, and its tokens."""
