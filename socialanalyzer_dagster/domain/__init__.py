"""Pure decisions of the lead pipeline: no framework, no network, no database, no clock."""
