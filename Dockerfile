# ablate with everything that the commands of the README need:
#   docker build -t ablate .
#   docker run --rm -v "$PWD/results:/ablate/results" ablate sweep sweeps/demo.toml
FROM rust:1.95-bookworm AS build
# Versions follow the image's release of Debian.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ python3 python3-pip \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /ablate
# libtorch alone, so that this layer stays while the sources change.
COPY scripts/setup scripts/setup
RUN mkdir .cargo && ABLATE_CACHE=/opt/ablate scripts/setup --cpu
COPY . .
RUN ABLATE_CACHE=/opt/ablate scripts/setup --cpu && cargo install --locked --path . --root /usr/local

FROM debian:bookworm-slim
# Versions follow the image's release of Debian.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/ablate /opt/ablate
COPY --from=build /usr/local/bin/ablate* /usr/local/bin/
WORKDIR /ablate
COPY experiments experiments
COPY sweeps sweeps
ENTRYPOINT ["ablate"]
CMD ["--help"]
