# Any image with Python 3.11 or newer, its venv module and useradd: --build-arg BASE=…
ARG BASE=python:3.13-slim
FROM ${BASE} AS build
WORKDIR /build
COPY requirements.lock ./
RUN python3 -m venv /opt/aiops && /opt/aiops/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN /opt/aiops/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM ${BASE}
RUN useradd --system --uid 10001 --home-dir /data aiops && install -d -o aiops -g aiops -m 700 /data
COPY --from=build /opt/aiops /opt/aiops
ENV PATH=/opt/aiops/bin:$PATH AIOPS_HOME=/data PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER aiops
WORKDIR /data
CMD ["aiops", "up", "--host", "0.0.0.0"]
