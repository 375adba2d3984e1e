"""One's own pictures: an index of a folder, search in words or by a picture, names, and a page to try it all."""
