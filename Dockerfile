# quorate as an image that takes the place of etcd's: the same command lines, the same ports, /usr/local/bin/etcd included.
#
#   docker build -t quorate .
#   docker run -p 2379:2379 -v quorate-data:/var/lib/quorate quorate
#
# The versions of all packages come from package-lock.json. Behind a registry or a proxy of your own, hand over npm's
# configuration and its certificate authority as secrets; neither is left in the image:
#
#   docker build --secret id=npmrc,src=$HOME/.npmrc --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt -t quorate .
#
# docs/kubernetes.md tells how it is used there.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Not `npm ci`: it refuses a lock file that leaves out optional packages of other platforms. What is in the lock file is taken
# in that version and checked by its hash here too. No package's scripts run: the native parts come ready-made.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=ca \
    if [ -f /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    npm install --no-save --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
COPY src src
COPY scripts scripts
RUN node scripts/build.ts && node scripts/docker/root-fs.ts /rootfs && mkdir /empty

# Only what runs: Node, the libraries it loads, the bundle, LMDB. No shell, no package manager.
FROM scratch AS quorate
COPY --from=build /rootfs /
# The second is where kubeadm and many manifests have the data.
COPY --from=build --chown=65532:65532 /empty /var/lib/quorate
COPY --from=build --chown=65532:65532 /empty /var/lib/etcd
ENV PATH=/usr/local/bin:/usr/bin
USER 65532:65532
# Data go to <name>.etcd in here, unless --data-dir or ETCD_DATA_DIR says otherwise. Not a variable of the image: whoever also
# gives the flag would be told that both are set.
WORKDIR /var/lib/quorate
VOLUME /var/lib/quorate
EXPOSE 2379 2380 2381
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["quorate", "health", "--of-process", "1"]
ENTRYPOINT ["quorate"]
# For a member alone. Arguments of `docker run` take the place of these.
CMD ["--listen-client-urls=http://0.0.0.0:2379", "--advertise-client-urls=http://127.0.0.1:2379", "--listen-metrics-urls=http://0.0.0.0:2381"]

# For the static pod of kubeadm, whose certificates and data belong to root: docker build --target kubeadm
FROM quorate AS kubeadm
USER 0:0

FROM quorate
