"""What experiments/README.md says of `float_audit`, computed from its runs."""

import bpexp


def span(values):
    low, high = int(min(values)), int(max(values))
    return f"{low} to {high}" if low != high else f"{low}"


def findings(study):
    audit = bpexp.audit(study.layers)
    print(audit.columns, audit.head())
    yield ""
