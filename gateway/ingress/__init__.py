"""The gRPC side: the only place that imports grpc. Also the ops port."""
