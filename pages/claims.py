"""Claims: what sources say, and what comes out when it is tried."""

from clustlab.ui.claims import claims

claims.claims_page()
