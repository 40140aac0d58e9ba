# The image of every process of a fleet: workers, Prefect's server, the dashboard. See docs/container.md.
#
# The base is pinned by its digest. It has no default: whoever builds says which one they trust.
#   docker buildx imagetools inspect debian:bookworm-slim --format '{{.Manifest.Digest}}'
#   docker build --build-arg BASE_DIGEST=sha256:… --tag trivia-render .
ARG BASE_IMAGE=debian:bookworm-slim
ARG BASE_DIGEST

# checkov:skip=CKV_DOCKER_7:The base is pinned by its digest, which the check does not see in a variable.
# What both later stages have: the same Python, and the certificate authorities that it trusts.
FROM ${BASE_IMAGE}@${BASE_DIGEST} AS base
# Debian's versions without their last part: a stable release changes that alone, for security, and its mirrors
# keep only the newest.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates=20* python3=3.11.* \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/*


FROM base AS builder
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv=3.11.* \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/*

# pip and the build backend have an environment of their own: the final one needs neither.
COPY requirements-setup.lock /build/
RUN python3 -m venv /build/tools \
 && /build/tools/bin/pip install --no-cache-dir --only-binary :all: --require-hashes \
      -r /build/requirements-setup.lock

COPY requirements.lock /build/
# Wheels alone: nothing of a package runs while it is installed, and there is no compiler.
#
# Left out, by what docs/container.md measures: the FFmpeg of imageio-ffmpeg, since Debian's is used; the
# descriptions of all of Google's services, which only clients made at run time read; of onnxruntime its library
# for C programs, which its Python module does not load, and its tools that change models; the packages' tests.
RUN python3 -m venv --without-pip /opt/venv \
 && /build/tools/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-deps \
      --only-binary :all: --require-hashes -r /build/requirements.lock \
 && rm -rf \
      /opt/venv/lib/python3.11/site-packages/imageio_ffmpeg/binaries/ffmpeg-* \
      /opt/venv/lib/python3.11/site-packages/googleapiclient/discovery_cache/documents \
      /opt/venv/lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so.* \
      /opt/venv/lib/python3.11/site-packages/onnxruntime/quantization \
      /opt/venv/lib/python3.11/site-packages/onnxruntime/tools \
      /opt/venv/lib/python3.11/site-packages/onnxruntime/transformers \
 && find /opt/venv/lib/python3.11/site-packages -type d -name tests -prune -exec rm -rf {} +

# Last what changes most. Bytecode is believed as it is: whoever runs the image cannot write it, and file times
# do not count.
COPY pyproject.toml README.md LICENSE prefect.yaml /app/
COPY deployments /app/deployments
COPY flows /app/flows
COPY tasks /app/tasks
COPY trivia_render /app/trivia_render
COPY infra/container/healthcheck.py /app/healthcheck.py
RUN PYTHONPATH=/build/tools/lib/python3.11/site-packages \
    /build/tools/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-deps --no-index \
      --no-build-isolation --editable /app \
 && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib /app


FROM base
# FFmpeg comes with what it needs to show videos in a window and to encode on Intel's GPUs. Of that, these
# files are loaded only by a program that does so, and a third of its size: they are not unpacked.
RUN printf 'path-exclude=%s\n' \
      '/usr/lib/*/dri/*' '/usr/lib/*/libLLVM-*' '/usr/lib/*/libz3.so*' \
      '/usr/lib/*/libmfxhw64.so*' '/usr/lib/*/mfx/*' '/usr/share/X11/xkb/*' \
      > /etc/dpkg/dpkg.cfg.d/trivia-render \
 && apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg=7:5.1.* tini=0.19.* \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 trivia \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/trivia --shell /usr/sbin/nologin trivia \
 && install -d -o 10001 -g 10001 -m 0750 /var/lib/trivia

COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /app /app

# After the layers: a new revision makes none of them anew.
ARG BASE_IMAGE
ARG BASE_DIGEST
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="trivia-render" \
      org.opencontainers.image.description="Narrated trivia videos from JSON job configs" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"

# The library path and the two of NVIDIA's: where Container-Optimized OS puts its driver, and what its container
# toolkit mounts elsewhere.
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/nvidia/bin \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib64 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=video,compute,utility \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/trivia \
    PREFECT_HOME=/var/lib/trivia/prefect \
    TRIVIA_HOME=/var/lib/trivia \
    TRIVIA_FFMPEG=/usr/bin/ffmpeg \
    TRIVIA_WORKER_PORT=4310

WORKDIR /app
USER 10001:10001
VOLUME /var/lib/trivia
EXPOSE 4200 4300 4310
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["/usr/bin/python3", "-I", "-S", "/app/healthcheck.py"]
# tini reaps what processes leave behind; the other reads the secrets that TRIVIA_SECRETS names and becomes the
# command, so that signals reach it.
ENTRYPOINT ["/usr/bin/tini", "--", "/opt/venv/bin/trivia-with-secrets"]
CMD ["trivia", "worker"]
