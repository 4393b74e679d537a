"""The forms in which messages and tables come: XML, JSON, ZIP, workbooks."""
