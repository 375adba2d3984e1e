"""One function per figure, each from recorded rows or plain arrays to a matplotlib figure; nothing is measured here."""
