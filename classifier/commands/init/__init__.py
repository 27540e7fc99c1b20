"""init: params.yaml for a table that is new here, with a line on each column."""
