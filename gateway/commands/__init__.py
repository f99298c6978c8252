"""The commands, one module each; `gateway/cli.py` reads their words and prints their answers.

serve.py     run the gateway
check.py     does everything the config names work? one line each
explain.py   what would happen to this email address, step by step
migrate.py   bring the gateway's own database to this version's schema
"""
