"""The gateway's own pages, under /sso/: an aiohttp application on a private Unix socket."""
