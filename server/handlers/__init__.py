"""One file a resource; this folder's listing is the list of features."""
