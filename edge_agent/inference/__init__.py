"""Networks on the device: which files may be run, and ONNX Runtime sessions bounded to what a trailer has."""
