"""The collector's HTTP API: who may ask what, the records as JSON, and the stream that consoles follow."""
