#!/bin/sh
# What a container starts with: a model that came with the image goes into a data folder without one, whole or not at
# all; then askpage, in this process, so that it gets the signals.
set -eu
shipped=${SHIPPED_MODELS:-/opt/askpage/models}
models=${ASKPAGE_DATA_DIR:-/data}/models
if [ -d "$shipped" ] && [ ! -e "$models" ]; then
  part=$models.part.$$
  cp -R "$shipped" "$part"
  mv -T "$part" "$models" 2>/dev/null || rm -rf "$part" # another container was faster
fi
exec askpage "$@"
