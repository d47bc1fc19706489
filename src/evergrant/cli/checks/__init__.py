"""What `evergrant doctor` looks at: each file one subject, each check a function of what was gathered.

What lives here: judging whether a deployment is fit for production, in findings that say what, why and what to do.
What must not: changing anything, printing (`cli.doctor` does), a check that nobody can act on.
Neighbours: what a configuration may never say at all is refused in `evergrant.config.judge`.
"""

from evergrant.cli.checks.finding import Finding, Verdict

__all__ = ["Finding", "Verdict"]
