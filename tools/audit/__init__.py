"""What the site must hold, measured in browsers: one module a row of the table, or a few that share a visit.

``tools/audit_site.py`` prints the table; the tests of the site assert what needs no clock. Both call what is here.
"""
