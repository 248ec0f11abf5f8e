"""What the operator gave, checked and merged: protos, YAML, flags to effective policies."""
