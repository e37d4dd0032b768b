"""The command ``course``: makes assignments from exercises, grades submissions in a sandbox, and exports to other tools.

Read in this order: `notebooks` finds exercises in a notebook, `set_up` writes the cell that installs the package, `proof`
proves an exercise, `packs` and `assign` make an assignment;
`submissions` reads strangers' files, `worker` runs in the `sandbox`, `collect` gets answers out of it, `grade` judges a
class, `reports` writes results; the exports follow; `cli` is the command.
"""
