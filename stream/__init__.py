"""Floor 2: the media plane. WHIP in, WHEP out, forwarding. Knows no database, no people, no products."""
