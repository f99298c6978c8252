"""What stands behind the proxies.

pages.py     nginx: 1 KB for each page, 256 MiB to download; cheaper than anything in Python, so
             that upstream and load together keep up with every proxy
uploads.py   takes an upload, as fast as it comes or at a given rate
sockets.py   WebSockets that say back what they hear
"""
