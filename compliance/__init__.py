"""Floor 4: the rules (suitability, lexicon, retention: pure) and the reviewers' work (cases, timeline, evidence, verifier)."""
