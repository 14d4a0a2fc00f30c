"""Who carries the jobs of a graph out: this host (`local`), or Slurm (`slurm`). The jobs are the same."""
