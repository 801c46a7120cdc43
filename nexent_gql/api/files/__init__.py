"""Files and uploads in the schema, and the HTTP routes of signed addresses."""
