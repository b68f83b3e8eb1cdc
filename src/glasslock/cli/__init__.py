"""The command line: nouns and verbs over the parties; knows no protocol step."""
