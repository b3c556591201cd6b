# The image has the versions the tests ran with: everything comes from hash-locked requirements.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN pip install --require-hashes --requirement requirements/build.txt \
    && python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --require-hashes --only-binary :all: \
        --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY moddy/ moddy/
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels . \
    && pip --python /venv/bin/python install --no-index --no-deps wheels/*.whl

FROM python:3.13-slim
# /data is where SQLite lives when DATABASE_URL is not set; mount a volume there to keep it.
# (No VOLUME instruction: Railway refuses it.) Nothing else is written to, not even /tmp: the root
# may be read-only.
RUN useradd --uid 10001 --user-group --no-create-home --no-log-init --home-dir /app \
        --shell /usr/sbin/nologin moddy \
    && install --directory --owner=moddy --group=moddy /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATABASE_URL=sqlite:////data/moddy.db \
    SQLITE_TMPDIR=/data
WORKDIR /app
USER 10001
EXPOSE 3000 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, sys\nfrom http.client import HTTPConnection\nport = os.environ.get('PORT')\npath = '/healthz' if port else '/'\nport = port or os.environ.get('INTERNAL_PORT') or '3000'\nconnection = HTTPConnection('127.0.0.1', int(port), timeout=4)\nconnection.request('GET', path)\nsys.exit(connection.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "moddy"]
