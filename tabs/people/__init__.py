"""The People tab: who has an account, links that invite, and what happened."""
