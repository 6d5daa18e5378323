"""Floor 6: shows and calls: who is in, comments, the waiting line, the adviser's desk. Socket.IO lives here."""
