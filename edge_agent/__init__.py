"""The edge agent: turns video and sound into signed detections and gets them to the collector.

Two libraries are told how to behave before any module of this package can import them, because they look only once:

- ONNX Runtime (1.29 and later) reports usage to its vendor by default and leaves a device identifier under
  ``~/.cache``. ``tests/edge_agent/test_telemetry.py`` proves that no such file appears.
- OpenBLAS makes a thread a core, which spin while they wait for each other: on a busy machine a product of two small
  matrices takes 7.8 ms of computing time on two threads and 0.4 ms on one. Whoever knows better sets the variable.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
