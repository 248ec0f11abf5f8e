"""seawall.admin.v1: what operators ask a gateway."""
