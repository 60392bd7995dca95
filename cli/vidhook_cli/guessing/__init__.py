"""Guesses a provider file from recorded answers: `proposal.guess` is what the command calls."""
