"""Whatever ends a session ends it everywhere: three gateways, and what is open at each."""
