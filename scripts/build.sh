#!/bin/sh
# Compiles to dist/, and puts beside it what is read at run time.
set -eu
cd "$(dirname "$0")/.."

rm -rf dist
tsc -p tsconfig.build.json
tsc -p tsconfig.types.json

mkdir -p dist/migrations/meta
cp drizzle/*.sql dist/migrations
cp drizzle/meta/_journal.json dist/migrations/meta
cp -R src/http/dashboard/assets/files dist/http/dashboard/assets/files
cp src/http/openapi/clerk-users.json dist/http/openapi

# With the licences of what is in it. The package itself isn't a dependency: it would bring one that reports installations.
swagger=node_modules/swagger-ui-dist
mkdir dist/http/openapi/swagger
for file in swagger-ui.css swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt favicon-32x32.png LICENSE NOTICE; do
  cp "$swagger/$file" dist/http/openapi/swagger
done
