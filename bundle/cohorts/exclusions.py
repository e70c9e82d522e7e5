"""Which scans and rows of a cohort are excluded, and why."""

from collections import Counter

import pandas as pd


class Exclusions:
    """The scans and rows that a reader excludes, each with its reason.

    Args:
        cohort: Name of the cohort, for messages.
    """

    def __init__(self, cohort: str = "cohort") -> None:
        self.cohort = cohort
        self.rows: list[tuple[str, str, str]] = []  # participant_id, session_id, reason

    def add(self, participant: object, session: object, reason: str) -> None:
        """Note one exclusion: a participant, or a file that belongs to none; its session, if any; and why, in a few words."""
        self.rows.append((str(participant), "n/a" if pd.isna(session) else str(session), reason))

    def drop(self, rows: pd.DataFrame, where: pd.Series, reason: str) -> pd.DataFrame:
        """Note the rows where `where` is True as excluded; return the others, with a new index."""
        for row in rows[where].to_dict("records"):
            self.add(row["participant_id"], row.get("session_id"), reason)
        return rows[~where].reset_index(drop=True)

    def check_any(self, scans: pd.DataFrame) -> None:
        """Refuse a table of scans of which nothing is left: a `ValueError`."""
        if scans.empty:
            raise ValueError(f"{self.cohort} has no scan that can be used; excluded: {self}")

    def counts(self) -> dict[str, int]:
        """Return the number of rows by reason, in the order in which the reasons came up."""
        return dict(Counter(reason for _, _, reason in self.rows))

    def __str__(self) -> str:
        """Return the counts as a line, for messages."""
        return ", ".join(f"{count} {reason}" for reason, count in self.counts().items()) or "nothing"
