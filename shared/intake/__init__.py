"""Intake: claims events, decides what they mean, collects files or opens activities, and records it all."""
