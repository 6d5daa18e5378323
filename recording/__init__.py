"""Floor 3: the recorder, the archive of fragments, and the trail."""
