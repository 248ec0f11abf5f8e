"""The protobuf JSON mapping, compiled from descriptors. Its seam is gateway.transcode.codec."""
