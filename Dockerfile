# The gateway for production: what requirements.lock names, checked by hash, and gateway/ itself.
# Nothing of demo/ or tests/ is in it (.dockerignore lets nothing else in).

FROM python:3.11-slim AS packages
COPY requirements.lock /
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --only-binary :all: --require-hashes -r /requirements.lock

# The hot modules as machine code, from the same source: docs/performance.md.
FROM python:3.11-slim AS compiled
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
COPY requirements-compile.lock /
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --only-binary :all: --require-hashes -r /requirements-compile.lock
WORKDIR /opt/sonar-gateway
COPY tools tools
COPY gateway gateway
RUN /opt/venv/bin/python -m tools.compile

FROM python:3.11-slim
COPY --from=packages /opt/venv /opt/venv
COPY --from=compiled /opt/sonar-gateway/gateway /opt/sonar-gateway/gateway
# Compiled once here, so that a read-only file system costs no start-up time.
RUN python -m compileall -q /opt/sonar-gateway \
    && printf '#!/bin/sh\nexec /opt/venv/bin/python -m gateway "$@"\n' \
        > /usr/local/bin/sonar-gateway \
    && chmod 755 /usr/local/bin/sonar-gateway \
    && groupadd --gid 10001 sonar \
    && useradd --uid 10001 --gid sonar --no-create-home --no-log-init \
        --shell /usr/sbin/nologin sonar \
    && install -d -o sonar -g sonar -m 0700 /srv/sonar-gateway/var
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/sonar-gateway \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# config.yaml and policies/ are mounted here; keys and embedded databases are kept in var/.
WORKDIR /srv/sonar-gateway
VOLUME /srv/sonar-gateway/var
USER 10001:10001
EXPOSE 8080
# `serve` drains when it is told to stop by SIGTERM, which is what `docker stop` sends.
ENTRYPOINT ["sonar-gateway"]
CMD ["serve"]
