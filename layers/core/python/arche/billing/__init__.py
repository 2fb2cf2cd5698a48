"""Pure arithmetic: ledger, price list and month become invoice lines. No input or output here."""
