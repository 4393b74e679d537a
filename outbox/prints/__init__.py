"""What a document looks like on paper: from layout and content to a PDF, made by a process of its own.

`layout` reads the data of a form, `form` puts a document's values into it, `typesetting` breaks it into lines and pages,
`default_layout` is the form of a type that has none, `font` and `pdf` make the PDF, `pdf_worker` keeps the process that does the last three.
"""
