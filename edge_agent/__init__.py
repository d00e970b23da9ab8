"""The edge agent: turns video and sound into signed detections and gets them to the collector.

ONNX Runtime (1.29 and later) reports usage to its vendor by default and leaves a device identifier under
``~/.cache``. It reads the switch when it is first imported, so the switch is set here, before any module of this
package can import it. ``tests/edge_agent/test_telemetry.py`` proves that no such file appears.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
