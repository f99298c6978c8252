"""`sonar-gateway migrate`: bring the gateway's own database to this version's schema."""
