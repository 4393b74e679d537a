"""What a document looks like on paper: from layout and content to a PDF, made by a process of its own.

`layout` reads the data of a form, `filling` puts a document's values into it, `setting` breaks it into lines and pages,
`letters` and `painting` make the PDF, `press` keeps the process that does the last three.
"""
