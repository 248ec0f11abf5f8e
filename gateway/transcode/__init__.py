"""From a protobuf message to an HTTP request, and back. Knows no HTTP client and no grpc."""
