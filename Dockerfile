# One image for the issuer and the keeper:  docker build --tag evergrant .
# Nothing is fetched that requirements/run.txt does not name with its hash; no secret and no configuration is in it.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv /opt/evergrant && python -m venv tools
COPY requirements/build.txt requirements/run.txt requirements/
RUN /opt/evergrant/bin/pip install --require-hashes --only-binary :all: -r requirements/run.txt \
    && tools/bin/pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src/ src/
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/evergrant/bin/pip install --no-deps --no-index dist/*.whl \
    && /opt/evergrant/bin/pip uninstall --yes pip setuptools \
    && /opt/evergrant/bin/python -m compileall -q /opt/evergrant/lib
COPY deploy/image/alive.py /opt/evergrant/alive.py

FROM python:${PYTHON}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Evergrant" \
      org.opencontainers.image.description="An OAuth 2.1 issuer, and a keeper of other people's tokens" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --system --gid 10001 evergrant \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/evergrant \
       --shell /usr/sbin/nologin evergrant \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/evergrant
COPY --from=build /opt/evergrant /opt/evergrant
ENV PATH=/opt/evergrant/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    EVERGRANT_STORE_DATA=/var/lib/evergrant \
    EVERGRANT_SERVER_LISTEN=0.0.0.0:8000 \
    EVERGRANT_KEEPER_LISTEN=0.0.0.0:8100 \
    EVERGRANT_LOG_FORMAT=json
# By number, because only a number tells an orchestrator that it is not root.
USER 10001:10001
WORKDIR /var/lib/evergrant
EXPOSE 8000 8100
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-I", "/opt/evergrant/alive.py"]
ENTRYPOINT ["evergrant"]
CMD ["serve"]
