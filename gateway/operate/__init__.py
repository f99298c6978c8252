"""What operators see.

management.py   the listener of /livez, /readyz and /metrics
metrics.py      what is counted: plain integers on the way of a request
families.py     the same as Prometheus families;  scrape.py: as text, with what processes use
totals.py       what several processes have counted, as one
access_log.py   one line of JSON a request, written by a thread of its own
outage.py       which parts we depend on are down: told once, asked by one task until they are back
audit/          who was let in or refused, and who changed who may get in
log.py          everything else that happens, one event a line
"""
