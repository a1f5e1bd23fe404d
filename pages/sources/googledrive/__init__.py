"""Google Drive by its API: folders, shared drives, and who may read what is in them."""
