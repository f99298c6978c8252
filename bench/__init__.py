"""The gateway beside what one would pick instead, on the same machine in one run.

    make bench                               everything, in a quarter of an hour
    python -m bench --only requests --quick  one measurement, roughly

One core for the proxy under measurement, the other for upstream, load and us. Where several are
compared they take turns, round after round, so that whatever else the machine does meets all alike;
medians count. CPU time and memory are the kernel's figures for all processes of the proxy together.

    __main__.py    the command; which measurements there are
    rounds/        one module for each: requests, latency, connections, websockets, bodies,
                   forward_auth, workers, start, rejected, compiled, profile
    proxies/       the gateway and its rivals, configured and started, with a session where they
                   hold one (signin.py signs in at provider.py)
    upstream/      what stands behind them
    load.py        wrk in a closed loop;  openloop.py: a fixed rate, for latency;  transfer.py:
                   long bodies;  requests.py: the bytes of a request
    stage.py       a folder, ports, and everything that runs;  process.py: CPU and memory;
                   programs.py: where they are, or what to install;  valkey.py: a store that counts
    watch.py       a measurement that others disturbed is made again
    report.py      tables and verdicts;  results.py: kept between runs;  page.py, chart.py: the same
                   as part of a page, and as SVG

Measure on a machine that does nothing else. The table says how much of its core the proxy had, and
how much of either core somebody else. A proxy that had less than nearly all could do more
requests/s than the load asked of it; its CPU time per request is right all the same.
"""
