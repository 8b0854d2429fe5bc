#!/bin/sh
# fetch.sh - fetches the tools of package-lock.json into a folder, where they are not there yet: fetch.sh NPM FOLDER
# Invariant: FOLDER/fetched is the lock file of what is wholly there. No script of a package is run.
set -eu
cd "$(dirname "$0")"
npm=$1 folder=$2
if cmp -s package-lock.json "$folder/fetched"; then
    exit 0
fi
rm -f "$folder/fetched"
cp package.json package-lock.json .npmrc "$folder"
(cd "$folder" && "$npm" ci --ignore-scripts --no-audit --no-fund --prefer-offline)
cp package-lock.json "$folder/fetched"
