# Debian, not Alpine: the embedded Postgres needs glibc.
# It compiles on the machine that builds, whichever machine the image is for.
FROM --platform=$BUILDPLATFORM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json tsconfig.types.json ./
COPY scripts ./scripts
COPY src ./src
COPY drizzle ./drizzle
RUN npm run build

# What is needed to run, for the machine that the image is for.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8787 DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
# Only used without DATABASE_URL; then mount a volume here, or the copy is made anew with each container.
RUN mkdir /data && chown node:node /data
# By number, so that Kubernetes sees that it isn't root.
USER 1000:1000
VOLUME /data
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Directly, not through npm: signals must reach the server, which then finishes what is in flight.
CMD ["node", "--max-semi-space-size=16", "--heap-growing-percent=50", "--initial-old-space-size=64", "--no-parallel-scavenge", "dist/cli/main.js", "serve"]
